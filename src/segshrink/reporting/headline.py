"""Result of a run in sentences, losses stated as plainly as gains."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from segshrink.formats import Precision
from segshrink.records.measurement import Measurement, Role
from segshrink.reporting.comparison import (
    Comparison,
    against,
    compare,
    shipped_student,
    student_like,
)
from segshrink.reporting.learning import learning_sentences
from segshrink.reporting.run_records import RunRecords
from segshrink.reporting.table import format_of
from segshrink.reporting.units import (
    human_bytes,
    human_percent,
    human_points,
    human_ratio,
    ms_text,
    points_interval,
    runtime_name,
)
from segshrink.reporting.verdict import verdict

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
    own: float,
    other: float,
    text: Callable[[Any], str],
    words: tuple[str, str],
    note: str = "",
    *,
    is_same: bool = False,
) -> Figure:
    """`9.84× smaller`, or where the own number is the larger one, `1.20× larger`.

    Args:
        own: size or latency of what the report is about.
        other: the same of what it is compared with.
        text: shows either of them in the detail.
        words: meaning of a gain and of a loss.
        note: ends the detail.
        is_same: whether no difference is established, however large the ratio is.
    """
    ratio, (gain, loss) = other / own, words
    detail = f"{text(own)} against {text(other)}{note}"
    if is_same or is_same_ratio(ratio):
        return Figure(human_ratio(ratio), f"no {gain}", detail, None)
    if ratio > 1:
        return Figure(human_ratio(ratio), gain, detail, True)
    return Figure(human_ratio(1 / ratio), loss, detail, False)


def is_same_ratio(ratio: float) -> bool:
    """Whether a ratio is shown as 1.00×, which is no gain to speak of."""
    return abs(ratio - 1) < 0.005


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
    masked = records.of_role(Role.MASKS_ONLY)
    sentences = [
        *(_against_teacher(compare(each, measurements)) for each in students),
        *(_masks_only(compare(each, measurements)) for each in masked),
        *(_no_teacher(each, records) for each in records.of_role(Role.NO_TEACHER)),
        *learning_sentences(records),
    ]
    comparison = compare(shipped, measurements)
    quality = _quality_figure(comparison)
    judged = verdict(records)
    figures = [figure for figure in (*_cost_figures(comparison), quality) if figure]
    if judged and judged.is_doubtful:
        # A file that learned little is not good for being small.
        figures = [
            replace(figure, is_gain=None if figure.is_gain else figure.is_gain)
            for figure in figures
        ]
    return Headline(tuple(dict.fromkeys(filter(None, sentences))), tuple(figures))


def _against_teacher(comparison: Comparison) -> str:
    own, reference = comparison.measurement, comparison.reference
    runtime = runtime_name(own.runtime)
    kind = "float" if own.precision == Precision.FLOAT32 else own.precision
    subject = f"The {kind} student ({own.name})"
    if reference is None:
        alone = f"has no teacher's float file in {runtime} to be compared with"
        return f"{subject} {alone}."
    costs, quality = _costs(comparison), _quality(comparison)
    if not costs:
        return f"{subject} {quality} against the teacher."
    return f"{subject} is {costs} than the teacher in {runtime}; it {quality}."


def _costs(comparison: Comparison) -> str:
    """`9.84× smaller gzipped and 3.17× faster`, or `but` where they point apart."""
    figures = _cost_figures(comparison)
    phrases = []
    for each in figures:
        number = "" if each.is_gain is None else f"{each.number} "
        phrases.append(f"{number}{each.meaning} ({each.detail})")
    are_apart = len({bool(each.is_gain) for each in figures}) > 1
    return (" but " if are_apart else " and ").join(phrases)


def _quality(comparison: Comparison) -> str:
    figure = _quality_figure(comparison)
    if figure is None:
        return "has no quality that was measured on the same pixels"
    points = comparison.miou_points or 0.0
    if abs(points) < _SAME_POINTS:
        return f"keeps the mIoU ({figure.detail})"
    verb = "gains" if points > 0 else "loses"
    return f"{verb} {abs(points):.1f} points of mIoU ({figure.detail})"


def _cost_figures(comparison: Comparison) -> list[Figure]:
    """Gzipped size, then latency, as far as they can be compared."""
    own, reference = comparison.measurement, comparison.reference
    figures = []
    if comparison.times_smaller and own.size and reference and reference.size:
        sizes = own.size.gzipped_bytes, reference.size.gzipped_bytes
        words = ("smaller gzipped", "larger gzipped")
        figures.append(ratio_figure(*sizes, human_bytes, words))
    if comparison.times_faster and own.latency and reference and reference.latency:
        timed, note = own.latency, ""
        if timed.spread_doubtful or reference.latency.spread_doubtful:
            note += ", doubtful spread"
        is_same = comparison.latencies_overlap or is_same_ratio(comparison.times_faster)
        if is_same:
            note += ", within the spread"
        medians = timed.median_ms, reference.latency.median_ms
        words = ("faster", "slower")
        figures.append(ratio_figure(*medians, ms_text, words, note, is_same=is_same))
    return figures


def _quality_figure(comparison: Comparison) -> Figure | None:
    points, reference = comparison.miou_points, comparison.reference
    if points is None or reference is None:
        return None
    own = human_percent(comparison.measurement.mean_iou)
    other = human_percent(reference.mean_iou)
    detail, interval = f"{own} % against {other} %", comparison.points_interval
    if interval is None:
        return points_figure(points, detail)
    figure = points_figure(
        points, f"{detail}, interval of 95 % {points_interval(interval)}"
    )
    # A difference that the choice of images may have made is neither gain nor loss.
    return replace(figure, is_gain=None) if interval.has_zero else figure


def _no_teacher(baseline: Measurement, records: RunRecords) -> str | None:
    """Gain by distillation: the student against itself without a teacher."""
    student = student_like(baseline, records.measurements)
    points = against(student, baseline).miou_points if student else None
    if student is None or points is None:
        return None
    verdict = "the teacher brings nothing"
    if abs(points) >= _SAME_POINTS:
        verb = "brings" if points > 0 else "costs"
        verdict = f"the teacher {verb} {abs(points):.1f} points"
    own, reached = human_percent(student.mean_iou), human_percent(baseline.mean_iou)
    return (
        f"Trained without the teacher, the same student reaches {reached} % of mIoU "
        f"against {own} % ({format_of(baseline)}): {verdict}."
    )


def _masks_only(comparison: Comparison) -> str | None:
    costs, name = _costs(comparison), comparison.measurement.name
    start = f"With masks only, nothing removed, the file ({name}) is"
    return f"{start} {costs} than the teacher." if costs else None
