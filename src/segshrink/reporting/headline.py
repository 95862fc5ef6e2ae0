"""The result in sentences, losses told as plainly as gains."""

from dataclasses import dataclass

from segshrink.records.measurement import Measurement, Role
from segshrink.reporting.comparison import (
    Comparison,
    against,
    compare,
    shipped_student,
    twin_student,
)
from segshrink.reporting.run_types import RunRecords
from segshrink.reporting.table import format_of
from segshrink.reporting.units import (
    human_bytes,
    human_ms,
    human_percent,
    human_points,
    human_ratio,
    runtime_name,
)

# Ratios within half a percent of 1 are shown as 1.00×, which is no gain to speak of.
_SAME = 0.005
# Points of mIoU below this are shown as 0.0.
_SAME_POINTS = 0.05


@dataclass(frozen=True)
class Figure:
    """A number for the top of the page; `is_gain` is `None` where it is neither."""

    number: str
    meaning: str
    detail: str
    is_gain: bool | None


@dataclass(frozen=True)
class Headline:
    """`sentences[0]` is the result; the others set it against the baselines."""

    sentences: tuple[str, ...]
    figures: tuple[Figure, ...]


def headline(records: RunRecords) -> Headline:
    """What the run has come to, from the measured numbers alone."""
    shipped = shipped_student(records.measurements)
    if shipped is None:
        return Headline(("No student has been measured yet.",), ())
    comparison = compare(shipped, records.measurements)
    others = [
        _against_teacher(compare(each, records.measurements))
        for each in records.measurements
        if each.role == "student" and each is not shipped
    ]
    baselines = [_baseline(each, records) for each in records.measurements]
    sentences = [_against_teacher(comparison), *others, *filter(None, baselines)]
    return Headline(tuple(sentences), _figures(comparison))


def _against_teacher(comparison: Comparison) -> str:
    subject = _subject(comparison.measurement)
    reference = comparison.reference
    if reference is None:
        runtime = runtime_name(comparison.measurement.runtime)
        return (
            f"{subject} has no teacher's float file in {runtime} to be compared with."
        )
    costs = _costs(comparison)
    quality = _quality(comparison)
    if not costs:
        return f"{subject} {quality} against the teacher."
    runtime = runtime_name(reference.runtime)
    return f"{subject} is {costs} than the teacher in {runtime}; it {quality}."


def _subject(measurement: Measurement) -> str:
    kind = "float" if measurement.precision == "float32" else measurement.precision
    return f"The {kind} student ({measurement.name})"


def _costs(comparison: Comparison) -> str:
    """`9.84× smaller gzipped and 3.17× faster`, or `but` where they point apart."""
    size, speed = _size_figure(comparison), _speed_figure(comparison)
    phrases = [f"{_phrase(each)}" for each in (size, speed) if each]
    if size and speed and bool(size.is_gain) != bool(speed.is_gain):
        return " but ".join(phrases)
    return " and ".join(phrases)


def _phrase(figure: Figure) -> str:
    words = (
        figure.meaning
        if figure.is_gain is None
        else f"{figure.number} {figure.meaning}"
    )
    return f"{words} ({figure.detail})"


def _quality(comparison: Comparison) -> str:
    figure = _quality_figure(comparison)
    if figure is None:
        return "has no quality that was measured on the same pixels"
    if figure.is_gain is None:
        return f"keeps the mIoU ({figure.detail})"
    verb = "gains" if figure.is_gain else "loses"
    points = figure.number.lstrip("+\N{MINUS SIGN}")
    return f"{verb} {points} points of mIoU ({figure.detail})"


def _figures(comparison: Comparison) -> tuple[Figure, ...]:
    figures = (
        _size_figure(comparison),
        _speed_figure(comparison),
        _quality_figure(comparison),
    )
    return tuple(figure for figure in figures if figure)


def _size_figure(comparison: Comparison) -> Figure | None:
    ratio, reference = comparison.times_smaller, comparison.reference
    own = comparison.measurement.size
    if ratio is None or own is None or reference is None or reference.size is None:
        return None
    detail = (
        f"{human_bytes(own.gzipped_bytes)} against "
        f"{human_bytes(reference.size.gzipped_bytes)}"
    )
    if abs(ratio - 1) < _SAME:
        return Figure(human_ratio(ratio), "no smaller gzipped", detail, None)
    if ratio > 1:
        return Figure(human_ratio(ratio), "smaller gzipped", detail, True)
    return Figure(human_ratio(1 / ratio), "larger gzipped", detail, False)


def _speed_figure(comparison: Comparison) -> Figure | None:
    ratio, reference = comparison.times_faster, comparison.reference
    own = comparison.measurement.latency
    if ratio is None or own is None or reference is None or reference.latency is None:
        return None
    detail = (
        f"{human_ms(own.median_ms)} ms against "
        f"{human_ms(reference.latency.median_ms)} ms"
    )
    if own.spread_doubtful or reference.latency.spread_doubtful:
        detail += ", doubtful spread"
    if abs(ratio - 1) < _SAME or comparison.latencies_overlap:
        return Figure(
            human_ratio(ratio), "no faster", f"{detail}, within the spread", None
        )
    if ratio > 1:
        return Figure(human_ratio(ratio), "faster", detail, True)
    return Figure(human_ratio(1 / ratio), "slower", detail, False)


def _quality_figure(comparison: Comparison) -> Figure | None:
    points, reference = comparison.miou_points, comparison.reference
    if points is None or reference is None:
        return None
    detail = (
        f"{human_percent(comparison.measurement.mean_iou)} % against "
        f"{human_percent(reference.mean_iou)} %"
    )
    is_gain = None if abs(points) < _SAME_POINTS else points > 0
    return Figure(human_points(points), "points of mIoU", detail, is_gain)


def _baseline(measurement: Measurement, records: RunRecords) -> str | None:
    if measurement.role == Role.NO_TEACHER:
        return _without_teacher(measurement, records)
    if measurement.role == Role.MASKS_ONLY:
        return _masks_only(compare(measurement, records.measurements))
    return None


def _without_teacher(alone: Measurement, records: RunRecords) -> str | None:
    """What distillation brought: the student against itself without a teacher."""
    student = twin_student(alone, records.measurements)
    if student is None:
        return None
    points = against(student, alone).miou_points
    if points is None:
        return None
    if abs(points) < _SAME_POINTS:
        verdict = "the teacher brings nothing"
    elif points > 0:
        verdict = f"the teacher brings {points:.1f} points"
    else:
        verdict = f"the teacher costs {-points:.1f} points"
    return (
        f"Trained without the teacher, the same student reaches "
        f"{human_percent(alone.mean_iou)} % of mIoU against "
        f"{human_percent(student.mean_iou)} % ({format_of(alone)}): {verdict}."
    )


def _masks_only(comparison: Comparison) -> str | None:
    costs = _costs(comparison)
    if not costs:
        return None
    return (
        f"With masks only, nothing removed, the file "
        f"({comparison.measurement.name}) is {costs} than the teacher."
    )
