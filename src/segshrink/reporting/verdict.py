"""Judgement of a run in a few sentences, and which of its files to take."""

from collections.abc import Sequence
from dataclasses import dataclass

from segshrink.formats import Precision
from segshrink.records.measurement import Measurement, Role
from segshrink.reporting.comparison import (
    Comparison,
    against,
    compare,
    shipped_student,
)
from segshrink.reporting.doubts import Doubt, doubts_of_teacher, is_below
from segshrink.reporting.run_records import RunRecords
from segshrink.reporting.units import (
    human_bytes,
    human_percent,
    ms_text,
    points_interval,
)

# Points of mIoU that a file may have less than the best student and still be taken.
_MAY_LOSE = 1.0


@dataclass(frozen=True)
class Verdict:
    """`sentences` begin with the judgement; `is_doubtful` if little can be said."""

    sentences: tuple[str, ...]
    is_doubtful: bool


def verdict(records: RunRecords) -> Verdict | None:
    """Judge a run; None before a student was measured, or where nothing is known."""
    shipped = shipped_student(records.measurements)
    if shipped is None:
        return None
    comparison = compare(shipped, records.measurements)
    doubts = doubts_of_teacher(records)
    useless = _of_student(shipped, records)
    found = [
        useless,
        _of_teacher(doubts),
        _of_quality(comparison, is_doubted=bool(doubts)),
        _of_int8(shipped, records),
        None if useless else _of_file(records),
    ]
    sentences = tuple(filter(None, found))
    return Verdict(sentences, bool(doubts or useless)) if sentences else None


def _of_teacher(doubts: Sequence[Doubt]) -> str | None:
    if not doubts:
        return None
    reasons = "; ".join(doubt.brief for doubt in doubts)
    return f"The teacher is too weak to compare with: {reasons}."


def _of_student(shipped: Measurement, records: RunRecords) -> str | None:
    prior = records.color_prior
    if not is_below(shipped.quality, prior) or prior is None:
        return None
    return (
        "The student has learned too little to be of use: its mIoU is "
        f"{human_percent(shipped.mean_iou)} %, and the colour of each pixel alone "
        f"gives {human_percent(prior.mean_iou)} %."
    )


def _of_quality(comparison: Comparison, *, is_doubted: bool) -> str | None:
    points, interval = comparison.miou_points, comparison.points_interval
    if points is None:
        return None
    if interval is None:
        quality = comparison.measurement.quality
        if quality is None or not quality.by_image:
            return None
        return "Too few images were scored to tell its mIoU from the teacher's."
    which = f"interval of 95 % {points_interval(interval)} points"
    if interval.has_zero:
        return (
            "The mIoU of student and teacher differs by no more than the "
            f"{interval.count} {interval.units} vary ({which})."
        )
    if is_doubted:
        return None
    how = "above" if points > 0 else "below"
    return (
        f"The student's mIoU is {abs(points):.1f} points {how} the teacher's, more "
        f"than the {interval.count} {interval.units} vary ({which})."
    )


def _of_int8(shipped: Measurement, records: RunRecords) -> str | None:
    """Told where int8 does not pay on this processor."""
    beside = _float_of(shipped, records)
    if beside is None:
        return None
    compared = against(shipped, beside)
    if compared.times_faster is None or compared.latencies_overlap:
        return None
    if compared.times_faster > 1 or not shipped.latency or not beside.latency:
        return None
    return (
        "On this processor int8 is slower than float "
        f"({ms_text(shipped.latency.median_ms)} against "
        f"{ms_text(beside.latency.median_ms)})."
    )


def _float_of(shipped: Measurement, records: RunRecords) -> Measurement | None:
    if shipped.precision == Precision.FLOAT32:
        return None
    same = (Precision.FLOAT32, shipped.runtime, shipped.format)
    for each in records.of_role(Role.STUDENT):
        if (each.precision, each.runtime, each.format) == same:
            return each
    return None


def _of_file(records: RunRecords) -> str | None:
    taken = file_to_take(records)
    if taken is None or taken.latency is None or taken.size is None:
        return None
    figures = (
        f"{human_bytes(taken.size.size_bytes)}, {ms_text(taken.latency.median_ms)}"
    )
    return f"The file to take on this machine: {taken.name} ({figures})."


def file_to_take(records: RunRecords) -> Measurement | None:
    """The student's file that serves best on the machine that measured.

    Of the files within a point of mIoU of the best one it is the fastest; where
    latencies do not differ by more than they spread, the smallest. None before a
    student was measured.
    """
    shipped = shipped_student(records.measurements)
    students = records.of_role(Role.STUDENT)
    if shipped is None or shipped.latency is None or shipped.mean_iou is None:
        return shipped
    best = max(each.mean_iou or 0.0 for each in students)
    good = [
        each
        for each in students
        if each.latency
        and 100 * (best - (each.mean_iou or 0.0)) <= _MAY_LOSE
        # Only what was timed under the same conditions can be ranked.
        and (each is shipped or against(each, shipped).times_faster is not None)
    ]
    fastest = min(good, key=lambda each: each.median_ms or 0.0, default=shipped)
    near = [each for each in good if against(each, fastest).latencies_overlap]
    return min(
        near, key=lambda each: (each.gzipped_bytes or 0, each.name), default=fastest
    )
