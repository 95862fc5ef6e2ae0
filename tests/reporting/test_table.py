from collections.abc import Callable
from pathlib import Path

import pytest

from segshrink.metrics import quality_interval
from segshrink.reporting.caption import caption_lines
from segshrink.reporting.run_records import read_run
from segshrink.reporting.table import (
    Column,
    Row,
    Table,
    class_table,
    results_table,
)
from segshrink.reporting.units import MISSING, percent_interval

from .cells import column_cells
from .images import with_images
from .run_folder import CLASS_PIXELS, CLASSES, FILES, measurement_record

Builder = Callable[..., Path]


def test_cells_hold_the_measured_numbers(run_folder: Builder) -> None:
    table = results_table(read_run(run_folder()))
    labels = column_cells(table, "model")
    assert labels == (
        "teacher",
        "teacher-onnx",
        "masked (masks only)",
        "alone (no teacher)",
        "student-float",
        "student-int8",
        "student-onnx",
    )
    place = labels.index("student-int8")
    assert table.rows[place].cells == (
        "student-int8",
        "LiteRT int8",
        "311 k",
        "561 M",
        "358 kB",
        "213 kB",
        f"{7_190_000 / 213_400:.1f}×",
        "14.6 (14.3–15.0)",
        f"{118.4 / 14.6:.2f}×",
        "88.1",
        "85.1",
        "84.1",
        "77.1",
        "−1.4",
    )
    assert [row.is_shipped for row in table.rows].index(True) == place


def test_ratios_of_all_rows_recompute(run_folder: Builder) -> None:
    records = read_run(run_folder())
    table = results_table(records)
    smaller, faster = column_cells(table, "smaller"), column_cells(table, "faster")
    points = column_cells(table, "ΔmIoU")
    for place, measurement in enumerate(records.measurements):
        own = FILES[measurement.name]
        teacher = FILES["teacher" if own[1] == "litert" else "teacher-onnx"]
        assert _number(smaller[place]) == pytest.approx(teacher[4] / own[4], rel=0.006)
        assert _number(faster[place]) == pytest.approx(teacher[7] / own[7], rel=0.006)
        assert _number(points[place]) == pytest.approx(
            100 * (own[8] - teacher[8]), abs=0.051
        )


def _number(cell: str) -> float:
    return float(cell.rstrip("×").replace("−", "-"))


def test_what_was_not_measured_is_a_dash(run_folder: Builder) -> None:
    bare = measurement_record("student-int8", quality=None, latency=None, size=None)
    bare["model"] = {}
    table = results_table(read_run(run_folder(records={"student-int8": bare})))
    assert table.rows[0].cells == ("student-int8", "LiteRT int8", *["–"] * 12)


def test_another_runtime_than_the_formats_own_is_named(run_folder: Builder) -> None:
    record = measurement_record("student-onnx", runtime="openvino")
    table = results_table(read_run(run_folder(records={"x": record})))
    assert column_cells(table, "format") == ("ONNX in OpenVINO float",)


def test_classes_show_teacher_beside_student(run_folder: Builder) -> None:
    table = class_table(read_run(run_folder()))
    assert table is not None
    assert column_cells(table, "class") == tuple(CLASSES)
    road = table.rows[2].cells
    assert road[1] == f"{100 * CLASS_PIXELS[2] / sum(CLASS_PIXELS):.1f}"
    teacher, student = (FILES[name][8] - 0.11 for name in ("teacher", "student-int8"))
    assert road[2:5] == (f"{100 * teacher:.1f}", f"{100 * student:.1f}", "−1.4")
    assert table.rows[5].cells == ("Unlabeled", "0.0", *["–"] * 9)


def test_without_a_student_there_are_no_classes(run_folder: Builder) -> None:
    records = {"teacher": measurement_record("teacher")}
    assert class_table(read_run(run_folder(records=records))) is None


def test_records_of_early_versions_have_none(run_folder: Builder) -> None:
    records = read_run(run_folder(samples=0))
    assert all(quality_interval(each.quality) is None for each in records.measurements)
    assert not any("interval" in line for line in caption_lines(records))
    cells = results_table(records).rows[-1].cells
    assert cells[-2:] == ("77.3", "−1.1")


def test_they_stand_in_the_table_and_its_caption(run_folder: Builder) -> None:
    student = with_images(measurement_record("student-int8"), [0.5] * 8, scenes=2)
    teacher = with_images(
        measurement_record("teacher"),
        [0.7, 0.9, 0.8, 0.95, 0.75, 0.85, 0.6, 0.9],
        scenes=2,
    )
    records = read_run(run_folder(records={"t": teacher, "s": student}, samples=0))
    first, last = (row.cells for row in results_table(records).rows)
    own = quality_interval(records.measurements[0].quality)
    assert first[-2].endswith(f"({percent_interval(own)})") and first[-1] == "0.0"
    assert last[-1].count("−") == 3 and " to " in last[-1]
    (line,) = [x for x in caption_lines(records) if "95 %" in x]
    assert "over the 8 images. Images of one scene are alike" in line


def test_columns_in_which_nothing_is_known_can_be_left_out() -> None:
    columns = (Column("model"), Column("faster"), Column("mIoU"))
    table = Table(columns, (Row(("a", MISSING, "1")), Row(("b", MISSING, MISSING))))
    assert table.without_empty() == Table(
        (Column("model"), Column("mIoU")), (Row(("a", "1")), Row(("b", MISSING)))
    )
    assert Table(columns, ()).without_empty() == Table(columns, ())
