"""Every file against the teacher's float file in the same runtime.

A ratio across runtimes, machines or thread counts would mix what the compression did
with what the runtime does, so there is none.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from segshrink.formats import Precision
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
    return _first_like(
        measurements,
        role=Role.TEACHER,
        precision=Precision.FLOAT32,
        runtime=measurement.runtime,
        format=measurement.format,
    )


def _first_like(
    measurements: Iterable[Measurement], **fields: str
) -> Measurement | None:
    """The first measurement with these values of its fields."""
    return next(
        (
            each
            for each in measurements
            if all(getattr(each, name) == value for name, value in fields.items())
        ),
        None,
    )


def compare(
    measurement: Measurement, measurements: Iterable[Measurement]
) -> Comparison:
    """Compare one file with the teacher's file of the same runtime."""
    return against(measurement, reference_of(measurement, measurements))


def against(measurement: Measurement, reference: Measurement | None) -> Comparison:
    """Compare one file with another, number by number where both have one."""
    if reference is None:
        return Comparison(measurement, None)
    own, other = measurement.size, reference.size
    return Comparison(
        measurement,
        reference,
        other.gzipped_bytes / own.gzipped_bytes if own and other else None,
        _times_faster(measurement, reference),
        _miou_points(measurement, reference),
    )


def _times_faster(one: Measurement, other: Measurement) -> float | None:
    own, reference = one.latency, other.latency
    if own is None or reference is None or one.machine != other.machine:
        return None
    same_calls = (own.threads, own.batch, one.model.input_shape) == (
        *(reference.threads, reference.batch, other.model.input_shape),
    )
    return reference.median_ms / own.median_ms if same_calls else None


def _miou_points(one: Measurement, other: Measurement) -> float | None:
    own, reference = one.quality, other.quality
    if own is None or reference is None or one.data.name != other.data.name:
        return None
    same_pixels = (own.part, own.pixels) == (reference.part, reference.pixels)
    if not same_pixels or own.mean_iou is None or reference.mean_iou is None:
        return None
    return 100 * (own.mean_iou - reference.mean_iou)


def shipped_student(measurements: Iterable[Measurement]) -> Measurement | None:
    """The file a report is about: an int8 student before others, then the smallest."""
    students = [each for each in measurements if each.role is Role.STUDENT]
    return min(students, key=_shipping_order, default=None)


def _shipping_order(student: Measurement) -> tuple[bool, bool, int, str]:
    size = student.size.gzipped_bytes if student.size else 0
    is_float = student.precision == Precision.FLOAT32
    return is_float, student.size is None, size, student.name


def student_like(
    baseline: Measurement, measurements: Iterable[Measurement]
) -> Measurement | None:
    """The student's file of the same runtime and precision as a baseline's."""
    return _first_like(
        measurements,
        role=Role.STUDENT,
        runtime=baseline.runtime,
        precision=baseline.precision,
    )
