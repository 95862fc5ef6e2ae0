"""One table of results as pure data; `table_rendering` draws it for each medium."""

from collections.abc import Callable
from dataclasses import dataclass

from segshrink.records.measurement import ClassQuality, Latency, Measurement, Role
from segshrink.reporting.comparison import Comparison, compare, shipped_student
from segshrink.reporting.run_types import RunRecords
from segshrink.reporting.units import (
    MISSING,
    format_name,
    human_bytes,
    human_count,
    human_ms,
    human_percent,
    human_points,
    human_ratio,
    runtime_name,
)

_ROLE_NOTES: dict[Role, str] = {
    Role.TEACHER: "",
    Role.MASKS_ONLY: "masks only",
    Role.NO_TEACHER: "no teacher",
    Role.STUDENT: "",
}


@dataclass(frozen=True)
class Column:
    """A heading, the group it stands in, and whether its cells are numbers.

    `full_heading` is for media that do not show the group; cells of `is_wrapped` may
    take several lines.
    """

    heading: str
    group: str = ""
    is_number: bool = True
    repeats_group: bool = False
    is_wrapped: bool = False

    @property
    def full_heading(self) -> str:
        """The heading as it reads without its group above it."""
        return f"{self.group} {self.heading}" if self.repeats_group else self.heading


@dataclass(frozen=True)
class Row:
    """Cells as text, in the order of the columns.

    `role` is the role of the file the row shows, `None` for other rows; `is_shipped`
    marks the one that the report is about, `is_faint` one of less account.
    """

    cells: tuple[str, ...]
    role: Role | None = None
    is_shipped: bool = False
    is_faint: bool = False


@dataclass(frozen=True)
class Table:
    """Columns and rows; every row has one cell a column."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def column_cells(self, heading: str) -> tuple[str, ...]:
        """All cells below `heading`, from the top."""
        place = [column.heading for column in self.columns].index(heading)
        return tuple(row.cells[place] for row in self.rows)


@dataclass(frozen=True)
class _Cell:
    """A column and how it reads its cell from a comparison."""

    column: Column
    text: Callable[[Comparison], str]


def label_of(measurement: Measurement) -> str:
    """The file's name, and for a baseline what it is."""
    note = _ROLE_NOTES[measurement.role]
    return f"{measurement.name} ({note})" if note else measurement.name


def format_of(measurement: Measurement) -> str:
    """Format and precision, `LiteRT int8`; float32 goes as `float`.

    The runtime is named where another one than the format's own ran the file.
    """
    precision = "float" if measurement.precision == "float32" else measurement.precision
    name = format_name(measurement.format)
    if measurement.runtime != measurement.format:
        name = f"{name} in {runtime_name(measurement.runtime)}"
    return f"{name} {precision}"


def results_table(records: RunRecords) -> Table:
    """Size, speed and quality of every file, each against its teacher's float file."""
    shipped = shipped_student(records.measurements)
    cells = _result_cells()
    rows = []
    for measurement in records.measurements:
        comparison = compare(measurement, records.measurements)
        texts = tuple(cell.text(comparison) for cell in cells)
        rows.append(Row(texts, measurement.role, measurement is shipped))
    return Table(tuple(cell.column for cell in cells), tuple(rows))


def _result_cells() -> tuple[_Cell, ...]:
    return (
        _Cell(Column("model", is_number=False), lambda c: label_of(c.measurement)),
        _Cell(Column("format", is_number=False), lambda c: format_of(c.measurement)),
        *_size_cells(),
        *_speed_cells(),
        *_quality_cells(),
    )


def _size_cells() -> tuple[_Cell, ...]:
    return (
        _Cell(
            Column("params", "size"),
            lambda c: human_count(c.measurement.model.parameters),
        ),
        _Cell(Column("MACs", "size"), lambda c: human_count(c.measurement.model.macs)),
        _Cell(Column("file", "size"), lambda c: _bytes(c.measurement, gzipped=False)),
        _Cell(Column("gzipped", "size"), lambda c: _bytes(c.measurement, gzipped=True)),
        _Cell(Column("smaller", "size"), lambda c: human_ratio(c.times_smaller)),
    )


def _speed_cells() -> tuple[_Cell, ...]:
    return (
        _Cell(
            Column("latency ms", "speed"),
            lambda c: _latency(c.measurement.latency),
        ),
        _Cell(Column("faster", "speed"), lambda c: human_ratio(c.times_faster)),
    )


def _quality_cells() -> tuple[_Cell, ...]:
    return (
        _Cell(Column("accuracy", "quality %"), lambda c: _score(c, "pixel_accuracy")),
        _Cell(Column("precision", "quality %"), lambda c: _score(c, "precision")),
        _Cell(Column("recall", "quality %"), lambda c: _score(c, "recall")),
        _Cell(Column("mIoU", "quality %"), lambda c: _score(c, "mean_iou")),
        _Cell(Column("ΔmIoU", "quality %"), lambda c: human_points(c.miou_points)),
    )


def _bytes(measurement: Measurement, *, gzipped: bool) -> str:
    size = measurement.size
    if size is None:
        return MISSING
    return human_bytes(size.gzipped_bytes if gzipped else size.size_bytes)


def _latency(latency: Latency | None) -> str:
    if latency is None:
        return MISSING
    quartiles = f"{human_ms(latency.p25_ms)}–{human_ms(latency.p75_ms)}"
    return f"{human_ms(latency.median_ms)} ({quartiles})"


def _score(comparison: Comparison, name: str) -> str:
    quality = comparison.measurement.quality
    return MISSING if quality is None else human_percent(getattr(quality, name))


def class_table(records: RunRecords) -> Table | None:
    """Scores of every class: the shipped student beside its teacher.

    `None` where no student has scores by class.
    """
    student = shipped_student(records.measurements)
    if student is None or student.quality is None or not student.quality.classes:
        return None
    comparison = compare(student, records.measurements)
    teacher = comparison.reference.quality if comparison.reference else None
    of_teacher = {each.name: each for each in teacher.classes} if teacher else {}
    pixels = sum(each.pixels for each in student.quality.classes)
    rows = tuple(
        Row(_class_cells(each, of_teacher.get(each.name), pixels))
        for each in student.quality.classes
    )
    return Table(_class_columns(), rows)


def _class_columns() -> tuple[Column, ...]:
    groups = ("IoU %", "precision %", "recall %", "average precision %")
    scores = [
        Column(heading, group, repeats_group=True)
        for group in groups
        for heading in _class_headings(group)
    ]
    return (Column("class", is_number=False), Column("pixels %"), *scores)


def _class_headings(group: str) -> tuple[str, ...]:
    difference = ("Δ",) if group == "IoU %" else ()
    return ("teacher", "student", *difference)


def _class_cells(
    student: ClassQuality, teacher: ClassQuality | None, pixels: int
) -> tuple[str, ...]:
    share = student.pixels / pixels if pixels else None
    points = None
    if teacher and teacher.iou is not None and student.iou is not None:
        points = 100 * (student.iou - teacher.iou)
    cells = [student.name, human_percent(share)]
    for score in ("iou", "precision", "recall", "average_precision"):
        cells.append(human_percent(getattr(teacher, score) if teacher else None))
        cells.append(human_percent(getattr(student, score)))
        if score == "iou":
            cells.append(human_points(points))
    return tuple(cells)
