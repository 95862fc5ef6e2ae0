"""Result of a run in sentences, losses stated as plainly as gains."""

from dataclasses import dataclass

from segshrink.formats import Precision
from segshrink.records.measurement import Measurement, Role
from segshrink.reporting.comparison import (
    Comparison,
    against,
    compare,
    shipped_student,
    student_like,
)
from segshrink.reporting.run_records import RunRecords
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
_SAME_RATIO = 0.005
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


def ratio_figure(
    ratio: float, gain: str, loss: str, detail: str, *, is_same: bool = False
) -> Figure:
    """`9.84× smaller`, or below 1 its inverse in the words of `loss`.

    Args:
        ratio: above 1 is a gain.
        gain: meaning of a ratio above 1.
        loss: meaning of a ratio below 1.
        detail: the two numbers.
        is_same: whether no difference is established, however large the ratio is.
    """
    if is_same or abs(ratio - 1) < _SAME_RATIO:
        return Figure(human_ratio(ratio), f"no {gain}", detail, None)
    if ratio > 1:
        return Figure(human_ratio(ratio), gain, detail, True)
    return Figure(human_ratio(1 / ratio), loss, detail, False)


def points_figure(points: float, detail: str) -> Figure:
    """A difference of mIoU in percentage points."""
    is_gain = None if abs(points) < _SAME_POINTS else points > 0
    return Figure(human_points(points), "points of mIoU", detail, is_gain)


def headline(records: RunRecords) -> Headline:
    """The result of a run, from the measured numbers alone."""
    measurements = records.measurements
    shipped = shipped_student(measurements)
    if shipped is None:
        return Headline(("No student has been measured yet.",), ())
    students = [shipped, *records.of_role(Role.STUDENT)]
    sentences = [
        *(_against_teacher(compare(each, measurements)) for each in students),
        *(
            _masks_only(compare(each, measurements))
            for each in records.of_role(Role.MASKS_ONLY)
        ),
        *(_no_teacher(each, records) for each in records.of_role(Role.NO_TEACHER)),
    ]
    comparison = compare(shipped, measurements)
    figures = (*_cost_figures(comparison), _quality_figure(comparison))
    return Headline(
        tuple(dict.fromkeys(filter(None, sentences))), tuple(filter(None, figures))
    )


def _against_teacher(comparison: Comparison) -> str:
    own, reference = comparison.measurement, comparison.reference
    runtime = runtime_name(own.runtime)
    kind = "float" if own.precision == Precision.FLOAT32 else own.precision
    subject = f"The {kind} student ({own.name})"
    if reference is None:
        return (
            f"{subject} has no teacher's float file in {runtime} to be compared with."
        )
    costs, quality = _costs(comparison), _quality(comparison)
    if not costs:
        return f"{subject} {quality} against the teacher."
    return f"{subject} is {costs} than the teacher in {runtime}; it {quality}."


def _costs(comparison: Comparison) -> str:
    """`9.84× smaller gzipped and 3.17× faster`, or `but` where they point apart."""
    figures = _cost_figures(comparison)
    phrases = [
        f"{'' if each.is_gain is None else f'{each.number} '}{each.meaning} "
        f"({each.detail})"
        for each in figures
    ]
    are_apart = len({bool(each.is_gain) for each in figures}) > 1
    return (" but " if are_apart else " and ").join(phrases)


def _quality(comparison: Comparison) -> str:
    figure = _quality_figure(comparison)
    if figure is None:
        return "has no quality that was measured on the same pixels"
    if figure.is_gain is None:
        return f"keeps the mIoU ({figure.detail})"
    verb = "gains" if figure.is_gain else "loses"
    points = figure.number.lstrip("+\N{MINUS SIGN}")
    return f"{verb} {points} points of mIoU ({figure.detail})"


def _cost_figures(comparison: Comparison) -> list[Figure]:
    """Gzipped size, then latency, as far as they can be compared."""
    own, reference = comparison.measurement, comparison.reference
    figures: list[Figure] = []
    if reference is None:
        return figures
    if comparison.times_smaller and own.size and reference.size:
        detail = (
            f"{human_bytes(own.size.gzipped_bytes)} against "
            f"{human_bytes(reference.size.gzipped_bytes)}"
        )
        figures.append(
            ratio_figure(
                comparison.times_smaller, "smaller gzipped", "larger gzipped", detail
            )
        )
    if comparison.times_faster and own.latency and reference.latency:
        detail = (
            f"{human_ms(own.latency.median_ms)} ms against "
            f"{human_ms(reference.latency.median_ms)} ms"
        )
        if own.latency.spread_doubtful or reference.latency.spread_doubtful:
            detail += ", doubtful spread"
        is_same = comparison.latencies_overlap
        is_same = is_same or abs(comparison.times_faster - 1) < _SAME_RATIO
        if is_same:
            detail += ", within the spread"
        figures.append(
            ratio_figure(
                comparison.times_faster, "faster", "slower", detail, is_same=is_same
            )
        )
    return figures


def _quality_figure(comparison: Comparison) -> Figure | None:
    points, reference = comparison.miou_points, comparison.reference
    if points is None or reference is None:
        return None
    own = comparison.measurement
    return points_figure(
        points,
        f"{human_percent(own.mean_iou)} % against "
        f"{human_percent(reference.mean_iou)} %",
    )


def _no_teacher(baseline: Measurement, records: RunRecords) -> str | None:
    """Gain by distillation: the student against itself without a teacher."""
    student = student_like(baseline, records.measurements)
    points = against(student, baseline).miou_points if student else None
    if student is None or points is None:
        return None
    if abs(points) < _SAME_POINTS:
        verdict = "the teacher brings nothing"
    elif points > 0:
        verdict = f"the teacher brings {points:.1f} points"
    else:
        verdict = f"the teacher costs {-points:.1f} points"
    return (
        f"Trained without the teacher, the same student reaches "
        f"{human_percent(baseline.mean_iou)} % of mIoU against "
        f"{human_percent(student.mean_iou)} % ({format_of(baseline)}): {verdict}."
    )


def _masks_only(comparison: Comparison) -> str | None:
    costs = _costs(comparison)
    if not costs:
        return None
    return (
        f"With masks only, nothing removed, the file "
        f"({comparison.measurement.name}) is {costs} than the teacher."
    )
