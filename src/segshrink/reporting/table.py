"""One table of results as pure data; `table_rendering` draws it for each medium."""

from dataclasses import dataclass, replace

from segshrink.formats import Precision
from segshrink.metrics import quality_interval
from segshrink.records.measurement import ClassQuality, Latency, Measurement, Role
from segshrink.reporting.comparison import Comparison, compare, shipped_student
from segshrink.reporting.run_records import RunRecords
from segshrink.reporting.units import (
    MISSING,
    format_name,
    human_bytes,
    human_count,
    human_ms,
    human_percent,
    human_points,
    human_ratio,
    percent_interval,
    points_interval,
    runtime_name,
)

_WORST_ROWS = 10
_BASELINES = {Role.MASKS_ONLY: "masks only", Role.NO_TEACHER: "no teacher"}


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

    `is_shipped` marks the row that the report is about, `is_faint` one of less account:
    a baseline, or a trial without a result.
    """

    cells: tuple[str, ...]
    is_shipped: bool = False
    is_faint: bool = False


@dataclass(frozen=True)
class Table:
    """Columns and rows; every row has one cell per column."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def without_empty(self) -> "Table":
        """The table without columns in which nothing is known."""
        known = [
            place
            for place in range(len(self.columns))
            if not self.rows or any(x.cells[place] != MISSING for x in self.rows)
        ]
        rows = [
            replace(row, cells=tuple(row.cells[place] for place in known))
            for row in self.rows
        ]
        return Table(tuple(self.columns[place] for place in known), tuple(rows))


def label_of(measurement: Measurement) -> str:
    """The file's name, and for a baseline what it is."""
    note = _BASELINES.get(measurement.role)
    return f"{measurement.name} ({note})" if note else measurement.name


def format_of(measurement: Measurement) -> str:
    """Format and precision, `LiteRT int8`; float32 goes as `float`.

    The runtime is named where another one than the format's own ran the file.
    """
    is_float = measurement.precision == Precision.FLOAT32
    precision = "float" if is_float else measurement.precision
    name = format_name(measurement.format)
    if measurement.runtime != measurement.format:
        name = f"{name} in {runtime_name(measurement.runtime)}"
    return f"{name} {precision}"


_SIZE = ("params", "MACs", "file", "gzipped", "smaller")
_QUALITY = ("accuracy", "precision", "recall", "mIoU", "ΔmIoU")
_RESULT_COLUMNS = (
    Column("model", is_number=False),
    Column("format", is_number=False),
    *(
        Column(each, "size")
        for each in ("params", "MACs", "file", "gzipped", "smaller")
    ),
    *(Column(each, "speed") for each in ("latency ms", "faster")),
    *(Column(each, "quality %") for each in _QUALITY),
)


def results_table(records: RunRecords) -> Table:
    """Size, speed and quality of every file, each against its teacher's float file."""
    shipped = shipped_student(records.measurements)
    rows = [
        Row(
            _result_cells(compare(measurement, records.measurements)),
            is_shipped=measurement is shipped,
            is_faint=measurement.role in _BASELINES,
        )
        for measurement in records.measurements
    ]
    return Table(_RESULT_COLUMNS, tuple(rows))


def _result_cells(comparison: Comparison) -> tuple[str, ...]:
    measurement = comparison.measurement
    model, size, quality = measurement.model, measurement.size, measurement.quality
    scores = ("pixel_accuracy", "precision", "recall")
    own, difference = quality_interval(quality), comparison.points_interval
    return (
        label_of(measurement),
        format_of(measurement),
        human_count(model.parameters),
        human_count(model.macs),
        human_bytes(size.size_bytes if size else None),
        human_bytes(measurement.gzipped_bytes),
        human_ratio(comparison.times_smaller),
        _latency(measurement.latency),
        human_ratio(comparison.times_faster),
        *(human_percent(getattr(quality, score, None)) for score in scores),
        human_percent(measurement.mean_iou)
        + (f" ({percent_interval(own)})" if own else ""),
        human_points(comparison.miou_points)
        + (f" ({points_interval(difference)})" if difference else ""),
    )


def _latency(latency: Latency | None) -> str:
    if latency is None:
        return MISSING
    quartiles = f"{human_ms(latency.p25_ms)}–{human_ms(latency.p75_ms)}"
    return f"{human_ms(latency.median_ms)} ({quartiles})"


def image_table(records: RunRecords, taken: Measurement | None) -> Table | None:
    """Scores of the ten worst images of a file, beside its teacher's.

    `None` where the images were not scored one by one.
    """
    quality = taken.quality if taken else None
    if taken is None or quality is None or not quality.by_image:
        return None
    reference = compare(taken, records.measurements).reference
    images = reference.quality.by_image if reference and reference.quality else ()
    of_teacher = {each.image: each.mean_iou for each in images}
    columns = [Column(each, "mIoU %") for each in ("teacher", "student", "Δ")]
    rows = []
    for each in quality.by_image[:_WORST_ROWS]:
        own, other = each.mean_iou, of_teacher.get(each.image)
        points = None if own is None or other is None else 100 * (own - other)
        scores = human_percent(other), human_percent(own), human_points(points)
        rows.append(Row((each.image, *scores, human_percent(each.pixel_accuracy))))
    return Table(
        (Column("image", is_number=False), *columns, Column("accuracy %")), tuple(rows)
    )


_CLASS_SCORES = {
    "iou": "IoU %",
    "precision": "precision %",
    "recall": "recall %",
    "average_precision": "average precision %",
}


def class_table(records: RunRecords) -> Table | None:
    """Scores of every class: the shipped student beside its teacher.

    `None` where no student has scores by class.
    """
    student = shipped_student(records.measurements)
    if student is None or student.quality is None or not student.quality.classes:
        return None
    reference = compare(student, records.measurements).reference
    teacher = reference.quality if reference else None
    of_teacher = {each.name: each for each in teacher.classes} if teacher else {}
    pixels = sum(each.pixels for each in student.quality.classes)
    columns = [
        Column(heading, group, repeats_group=True)
        for score, group in _CLASS_SCORES.items()
        for heading in ("teacher", "student", *(["Δ"] if score == "iou" else []))
    ]
    return Table(
        (Column("class", is_number=False), Column("pixels %"), *columns),
        tuple(
            Row(_class_cells(each, of_teacher.get(each.name), pixels))
            for each in student.quality.classes
        ),
    )


def _class_cells(
    student: ClassQuality, teacher: ClassQuality | None, pixels: int
) -> tuple[str, ...]:
    cells = [student.name, human_percent(student.pixels / pixels if pixels else None)]
    for score in _CLASS_SCORES:
        scores = getattr(teacher, score, None), getattr(student, score)
        cells += map(human_percent, scores)
        if score == "iou":
            known = None not in scores
            cells.append(human_points(100 * (scores[1] - scores[0]) if known else None))
    return tuple(cells)
