from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segshrink.reporting.headline import Headline, headline
from segshrink.reporting.run_records import read_run

from .run_folder import measurement_record

Builder = Callable[..., Path]


@pytest.fixture
def told(run_folder: Builder) -> Callable[..., Headline]:
    """The headline of a run of the given records."""

    def tell(*records: dict[str, Any]) -> Headline:
        by_name = {record["name"]: record for record in records}
        return headline(read_run(run_folder(records=by_name, samples=0)))

    return tell


def student(**numbers: float) -> dict[str, Any]:
    """The int8 student with other numbers."""
    record = measurement_record("student-int8")
    if "ms" in numbers:
        ms = numbers["ms"]
        record["latency"] |= {"median_ms": ms, "p25_ms": ms * 0.99, "p75_ms": ms * 1.01}
    if "gzipped" in numbers:
        record["size"]["gzipped_bytes"] = numbers["gzipped"]
    if "miou" in numbers:
        record["quality"]["mean_iou"] = numbers["miou"]
    return record


def test_a_gain_with_its_figures(told: Callable[..., Headline]) -> None:
    line = told(measurement_record("teacher"), student())
    assert line.sentences[0] == (
        "The int8 student (student-int8) is 33.7× smaller gzipped (213 kB against "
        "7.2 MB) and 8.11× faster (14.6 ms against 118 ms) than the teacher in LiteRT; "
        "it loses 1.4 points of mIoU (77.1 % against 78.5 %)."
    )
    assert [figure.is_gain for figure in line.figures] == [True, True, False]


def test_a_loss_is_told_plainly(told: Callable[..., Headline]) -> None:
    line = told(
        measurement_record("teacher"),
        student(ms=2 * 118.4, gzipped=3 * 7_190_000, miou=0.5846),
    )
    assert "is 3.00× larger gzipped (21.6 MB against 7.2 MB)" in line.sentences[0]
    assert "and 2.00× slower (237 ms against 118 ms)" in line.sentences[0]
    assert "it loses 20.0 points of mIoU (58.5 % against 78.5 %)" in line.sentences[0]
    assert [figure.is_gain for figure in line.figures] == [False, False, False]


def test_smaller_but_slower_and_better(told: Callable[..., Headline]) -> None:
    line = told(measurement_record("teacher"), student(ms=236.8, miou=0.7946))
    assert (
        "smaller gzipped (213 kB against 7.2 MB) but 2.00× slower" in line.sentences[0]
    )
    assert "it gains 1.0 points of mIoU" in line.sentences[0]


def test_a_difference_within_the_spread_is_none(told: Callable[..., Headline]) -> None:
    line = told(measurement_record("teacher"), student(ms=115.0, miou=0.7846))
    assert (
        "but no faster (115 ms against 118 ms, within the spread)" in line.sentences[0]
    )
    assert "it keeps the mIoU (78.5 % against 78.5 %)" in line.sentences[0]


def test_doubtful_timing_is_told_beside_the_figure(
    told: Callable[..., Headline],
) -> None:
    teacher = measurement_record("teacher")
    teacher["latency"]["spread_doubtful"] = True
    line = told(teacher, student())
    assert "(14.6 ms against 118 ms, doubtful spread)" in line.sentences[0]


def test_without_a_teacher_nothing_is_claimed(told: Callable[..., Headline]) -> None:
    line = told(measurement_record("teacher-onnx"), student())
    assert line.sentences == (
        "The int8 student (student-int8) has no teacher's float file in LiteRT to be "
        "compared with.",
    )
    assert line.figures == ()


def test_without_a_student_it_says_so(told: Callable[..., Headline]) -> None:
    line = told(measurement_record("teacher"))
    assert line.sentences == ("No student has been measured yet.",)


def test_missing_numbers_are_left_out(told: Callable[..., Headline]) -> None:
    bare = measurement_record("student-int8", latency=None, quality=None)
    line = told(measurement_record("teacher"), bare)
    assert line.sentences[0] == (
        "The int8 student (student-int8) is 33.7× smaller gzipped (213 kB against "
        "7.2 MB) than the teacher in LiteRT; it has no quality that was measured on "
        "the same pixels."
    )


@pytest.mark.parametrize(
    ("alone", "verdict"),
    [
        (
            0.7588,
            "75.9 % of mIoU against 77.3 % (LiteRT float): the teacher brings 1.4",
        ),
        (0.7831, "78.3 % of mIoU against 77.3 % (LiteRT float): the teacher costs 1.0"),
        (
            0.7731,
            "77.3 % of mIoU against 77.3 % (LiteRT float): the teacher brings nothi",
        ),
    ],
)
def test_the_student_is_set_against_itself_without_teacher(
    told: Callable[..., Headline], alone: float, verdict: str
) -> None:
    baseline = measurement_record("alone")
    baseline["quality"]["mean_iou"] = alone
    line = told(
        measurement_record("teacher"), baseline, measurement_record("student-float")
    )
    assert verdict in line.sentences[-1]


def test_masks_are_told_for_what_they_bring(told: Callable[..., Headline]) -> None:
    line = told(measurement_record("teacher"), measurement_record("masked"), student())
    assert line.sentences[1] == (
        "With masks only, nothing removed, the file (masked) is 2.39× smaller gzipped "
        "(3.0 MB against 7.2 MB) but no faster (118 ms against 118 ms, within the "
        "spread) than the teacher."
    )
