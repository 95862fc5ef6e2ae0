"""Every file against the teacher's float file in the same runtime.

A ratio across runtimes, machines or thread counts would mix what the compression did
with what the runtime does, so there is none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from segshrink.formats import Precision
from segshrink.metrics import Interval, quality_interval
from segshrink.records.measurement import Measurement, Role


@dataclass(frozen=True)
class Comparison:
    """One file against its reference; `None` where the two cannot be compared.

    `times_smaller` compares gzipped bytes and `times_faster` median latencies, above 1
    is better. `miou_points` is the difference in percentage points.
    """

    measurement: Measurement
    reference: Measurement | None
    times_smaller: float | None = None
    times_faster: float | None = None
    miou_points: float | None = None

    @cached_property
    def points_interval(self) -> Interval | None:
        """How far `miou_points` may be what the images vary, in shares.

        None without a difference, or where the records hold no scores by image.
        """
        own, other = self.measurement, self.reference
        if self.miou_points is None or other is None or own is other:
            return None
        return quality_interval(own.quality, other.quality)

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
    wanted = (Role.TEACHER, Precision.FLOAT32, measurement.runtime, measurement.format)
    for each in measurements:
        if (each.role, each.precision, each.runtime, each.format) == wanted:
            return each
    return None


def compare(
    measurement: Measurement, measurements: Iterable[Measurement]
) -> Comparison:
    """Compare one file with the teacher's file of the same runtime."""
    return against(measurement, reference_of(measurement, measurements))


def against(measurement: Measurement, reference: Measurement | None) -> Comparison:
    """Compare one file with another, number by number where both have one."""
    if reference is None:
        return Comparison(measurement, None)
    own, other = measurement.gzipped_bytes, reference.gzipped_bytes
    return Comparison(
        measurement,
        reference,
        other / own if own and other else None,
        _times_faster(measurement, reference),
        _miou_points(measurement, reference),
    )


def _times_faster(one: Measurement, other: Measurement) -> float | None:
    own, reference = one.latency, other.latency
    if own is None or reference is None:
        return None
    conditions = [
        (each.machine, each.model.input_shape, timed.threads, timed.batch)
        for each, timed in ((one, own), (other, reference))
    ]
    are_same = conditions[0] == conditions[1]
    return reference.median_ms / own.median_ms if are_same else None


def _miou_points(one: Measurement, other: Measurement) -> float | None:
    own, reference = one.mean_iou, other.mean_iou
    if own is None or reference is None:
        return None
    pixels = [
        (each.data.name, each.quality.part, each.quality.pixels)
        for each in (one, other)
        if each.quality
    ]
    return 100 * (own - reference) if pixels[0] == pixels[1] else None


def shipped_student(measurements: Iterable[Measurement]) -> Measurement | None:
    """The file a report is about: an int8 student before others, then the smallest."""
    students = [each for each in measurements if each.role is Role.STUDENT]
    return min(students, key=_shipping_order, default=None)


def _shipping_order(student: Measurement) -> tuple[bool, bool, int, str]:
    is_float = student.precision == Precision.FLOAT32
    return is_float, student.size is None, student.gzipped_bytes or 0, student.name


def student_like(
    baseline: Measurement, measurements: Iterable[Measurement]
) -> Measurement | None:
    """The student's file of the same runtime and precision as a baseline's."""
    wanted = (Role.STUDENT, baseline.runtime, baseline.precision)
    for each in measurements:
        if (each.role, each.runtime, each.precision) == wanted:
            return each
    return None
