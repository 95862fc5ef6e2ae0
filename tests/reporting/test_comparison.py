import pytest

from segshrink.records.measurement import Measurement
from segshrink.reporting.comparison import compare, shipped_student, student_like

from .run_folder import FILES, measurement_record


def measured(name: str, **changes: object) -> Measurement:
    record = measurement_record(name, **changes)
    return Measurement.parse(record, where="a test")


ALL = [measured(name) for name in FILES]


@pytest.mark.parametrize(
    ("name", "teacher"),
    [
        ("student-int8", "teacher"),
        ("student-onnx", "teacher-onnx"),
        ("alone", "teacher"),
        ("teacher-onnx", "teacher-onnx"),
    ],
)
def test_every_file_is_compared_within_its_runtime(name: str, teacher: str) -> None:
    comparison = compare(measured(name), ALL)
    own, other = FILES[name], FILES[teacher]
    assert comparison.reference and comparison.reference.name == teacher
    assert comparison.times_smaller == pytest.approx(other[4] / own[4])
    assert comparison.times_faster == pytest.approx(other[7] / own[7])
    assert comparison.miou_points == pytest.approx(100 * (own[8] - other[8]))


def test_an_int8_teacher_is_not_a_reference() -> None:
    teacher = measured("teacher", precision="int8")
    assert compare(measured("student-int8"), [teacher]).reference is None


@pytest.mark.parametrize(
    ("part", "entry", "value"),
    [
        ("latency", "threads", 2),
        ("latency", "batch", 4),
        ("machine", "processor", "Another"),
        ("model", "input_shape", [512, 512, 3]),
    ],
)
def test_unlike_conditions_give_no_ratio_of_latency(
    part: str, entry: str, value: object
) -> None:
    record = measurement_record("student-int8")
    record[part][entry] = value
    student = Measurement.parse(record, where="a test")
    comparison = compare(student, ALL)
    assert comparison.times_faster is None
    assert comparison.times_smaller is not None


@pytest.mark.parametrize(("entry", "value"), [("part", "val"), ("pixels", 5)])
def test_unlike_pixels_give_no_difference_of_quality(entry: str, value: object) -> None:
    record = measurement_record("student-int8")
    record["quality"][entry] = value
    student = Measurement.parse(record, where="a test")
    assert compare(student, ALL).miou_points is None


def test_what_was_not_measured_is_not_compared() -> None:
    student = measured("student-int8", size=None, latency=None, quality=None)
    comparison = compare(student, ALL)
    assert comparison.reference is not None
    assert comparison.times_smaller is None
    assert comparison.times_faster is None
    assert comparison.miou_points is None


def test_the_int8_student_ships_then_the_smallest() -> None:
    shipped = shipped_student(ALL)
    assert shipped and shipped.name == "student-int8"
    floats = [each for each in ALL if each.precision == "float32"]
    smallest = shipped_student(floats)
    assert smallest and smallest.name == "student-float"
    assert shipped_student(ALL[:2]) is None


def test_a_baseline_is_set_against_the_student_of_its_kind() -> None:
    student = student_like(measured("alone"), ALL)
    assert student and student.name == "student-float"
    assert student_like(measured("alone", runtime="keras"), ALL) is None
