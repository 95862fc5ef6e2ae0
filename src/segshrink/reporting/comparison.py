"""Every file against the teacher's float file in the same runtime.

A ratio across runtimes, machines or thread counts would mix what the compression did
with what the runtime does, so there is none.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from segshrink.records.measurement import Measurement

_FLOAT = "float32"


@dataclass(frozen=True)
class Comparison:
    """One file against its reference; `None` where the two cannot be compared.

    `times_smaller` compares gzipped bytes and `times_faster` median latencies, above 1
    is better. `miou_points` is the difference in percentage points.
    """

    measurement: Measurement
    reference: Measurement | None
    times_smaller: float | None
    times_faster: float | None
    miou_points: float | None

    @property
    def latencies_overlap(self) -> bool:
        """Whether the quartile ranges touch, so that no difference is established."""
        own = self.measurement.latency
        other = self.reference.latency if self.reference else None
        if own is None or other is None:
            return True
        return own.p25_ms <= other.p75_ms and other.p25_ms <= own.p75_ms


def reference_of(
    measurement: Measurement, measurements: Iterable[Measurement]
) -> Measurement | None:
    """The teacher's float file of the same format in the same runtime, if any."""
    for candidate in measurements:
        if (
            candidate.role == "teacher"
            and candidate.precision == _FLOAT
            and candidate.runtime == measurement.runtime
            and candidate.format == measurement.format
        ):
            return candidate
    return None


def compare(
    measurement: Measurement, measurements: Iterable[Measurement]
) -> Comparison:
    """Compare one file with the teacher's file of the same runtime."""
    return against(measurement, reference_of(measurement, measurements))


def against(measurement: Measurement, reference: Measurement | None) -> Comparison:
    """Compare one file with another, number by number where both have one."""
    if reference is None:
        return Comparison(measurement, None, None, None, None)
    return Comparison(
        measurement,
        reference,
        _times_smaller(measurement, reference),
        _times_faster(measurement, reference),
        _miou_points(measurement, reference),
    )


def _times_smaller(one: Measurement, other: Measurement) -> float | None:
    if one.size is None or other.size is None:
        return None
    return other.size.gzipped_bytes / one.size.gzipped_bytes


def _times_faster(one: Measurement, other: Measurement) -> float | None:
    if one.latency is None or other.latency is None:
        return None
    conditions = [
        (each.latency.threads, each.latency.batch, each.machine, each.model.input_shape)
        for each in (one, other)
        if each.latency is not None
    ]
    if conditions[0] != conditions[1]:
        return None
    return other.latency.median_ms / one.latency.median_ms


def _miou_points(one: Measurement, other: Measurement) -> float | None:
    if one.quality is None or other.quality is None:
        return None
    same_pixels = (one.quality.part, one.quality.pixels, one.data.name) == (
        other.quality.part,
        other.quality.pixels,
        other.data.name,
    )
    if not same_pixels or one.mean_iou is None or other.mean_iou is None:
        return None
    return 100 * (one.mean_iou - other.mean_iou)


def shipped_student(measurements: Iterable[Measurement]) -> Measurement | None:
    """The file a report is about: an int8 student before others, then the smallest."""
    students = [each for each in measurements if each.role == "student"]
    if not students:
        return None
    return min(students, key=_shipping_order)


def _shipping_order(student: Measurement) -> tuple[bool, bool, int, str]:
    gzipped_bytes = student.size.gzipped_bytes if student.size else 0
    return (
        student.precision == _FLOAT,
        student.size is None,
        gzipped_bytes,
        student.name,
    )


def twin_student(
    baseline: Measurement, measurements: Iterable[Measurement]
) -> Measurement | None:
    """The student's file of the same runtime and precision as a baseline's."""
    for candidate in measurements:
        if (
            candidate.role == "student"
            and candidate.runtime == baseline.runtime
            and candidate.precision == baseline.precision
        ):
            return candidate
    return None
