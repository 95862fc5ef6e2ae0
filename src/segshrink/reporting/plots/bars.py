"""Horizontal bars: cost of every file, and IoU of every class."""

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

from segshrink.records.measurement import Latency, Measurement, Role
from segshrink.reporting.comparison import compare, shipped_student
from segshrink.reporting.plots.inline_svg import describe
from segshrink.reporting.plots.plot import Plot, draw_legend
from segshrink.reporting.plots.theme import Theme, marks_of
from segshrink.reporting.run_records import RunRecords
from segshrink.reporting.table import format_of, label_of
from segshrink.reporting.units import (
    human_bytes,
    human_percent,
    human_ratio,
    ms_text,
    runtime_name,
)

_COST_INCHES = 0.36
# Room for the longest text beside the longest bar.
_COST_ROOM = 1.55
_IOU_INCHES = 0.17
_IOU_GROUP = 0.84


def draw_bars(
    axes: Axes,
    lengths: Sequence[float],
    texts: Sequence[str],
    theme: Theme,
    *,
    color: str | Sequence[str],
    room: float,
    errors: Sequence[Sequence[float]] | None = None,
) -> BarContainer:
    """One bar per length from the top down, without an axis below.

    Args:
        axes: an empty panel.
        lengths: of the bars.
        texts: what stands at the end of each bar.
        theme: colours.
        color: of all bars, or one per bar.
        room: how many times the longest bar, with its line, the panel is wide.
        errors: ends of a line over each bar, below and above its length.

    Returns:
        The bars.
    """
    places = range(len(lengths))
    bars = axes.barh(places, lengths, 0.62, color=color, xerr=errors, ecolor=theme.ink)
    axes.bar_label(bars, texts, padding=3)
    above = errors[1] if errors else [0.0] * len(lengths)
    ends = [length + more for length, more in zip(lengths, above, strict=True)]
    axes.set_xlim(0, (max(ends) or 1.0) * room)
    axes.set_xticks([])
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    axes.set_ylim(len(lengths) - 0.5, -0.5)
    return bars


def quartile_errors(timed: Sequence[Latency | None]) -> list[list[float]]:
    """How far the quartiles lie below and above each median; 0 where none is known."""
    below = [each.median_ms - each.p25_ms if each else 0.0 for each in timed]
    above = [each.p75_ms - each.median_ms if each else 0.0 for each in timed]
    return [below, above]


def name_bars(axes: Axes, names: Sequence[str], theme: Theme) -> None:
    """Names on the left, from the top down."""
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", labelcolor=theme.ink)


def cost_plot(records: RunRecords) -> Plot | None:
    """Two panels with one bar per file; `None` where no file has a size."""
    shown = [each for each in records.measurements if each.size]
    if not shown:
        return None
    costs = [
        f"{label_of(each)}: {human_bytes(each.gzipped_bytes)}, {_latency(each)}"
        for each in shown
    ]
    return Plot(
        stem="cost",
        title="Size and latency",
        alt=f"Gzipped size and latency of each file. {'; '.join(costs)}.",
        note="In brackets how many times smaller or faster than the teacher's float "
        "file in the same runtime. The thin lines are the quartiles of the latency.",
        figure=partial(_draw_cost, shown),
        fits_narrow=True,
    )


def _latency(measurement: Measurement) -> str:
    latency = measurement.latency
    return ms_text(latency.median_ms) if latency else "not timed"


def _draw_cost(shown: Sequence[Measurement], theme: Theme) -> Figure:
    rows, columns = (2, 1) if theme.is_narrow else (1, 2)
    height = rows * (len(shown) * _COST_INCHES + 1.0)
    figure = Figure((theme.width_inches, height))
    sizes, latencies = figure.subplots(rows, columns, sharey=True)
    sizes.set_title("Gzipped size")
    latencies.set_title("Median latency")
    comparisons = [compare(each, shown) for each in shown]
    marks = marks_of(shown, theme)
    colors = [marks[each.name].color for each in shown]
    draw = partial(draw_bars, theme=theme, color=colors, room=_COST_ROOM)
    bytes_texts = [
        human_bytes(each.gzipped_bytes) + _ratio(each, against.times_smaller)
        for each, against in zip(shown, comparisons, strict=True)
    ]
    bars = draw(sizes, [each.gzipped_bytes or 0 for each in shown], bytes_texts)
    _describe_files(bars, shown, bytes_texts)
    ms_texts = [
        _latency(each) + _ratio(each, against.times_faster)
        for each, against in zip(shown, comparisons, strict=True)
    ]
    errors = quartile_errors([each.latency for each in shown])
    medians = [each.median_ms or 0 for each in shown]
    _describe_files(draw(latencies, medians, ms_texts, errors=errors), shown, ms_texts)
    names = [f"{label_of(each)}\n{format_of(each)}" for each in shown]
    for axes in (sizes, latencies) if theme.is_narrow else (sizes,):
        name_bars(axes, names, theme)
    return figure


def _describe_files(
    bars: BarContainer, shown: Sequence[Measurement], texts: Sequence[str]
) -> None:
    for bar, each, text in zip(bars, shown, texts, strict=True):
        describe(bar, f"{label_of(each)}: {text}")


def _ratio(measurement: Measurement, ratio: float | None) -> str:
    is_teacher = measurement.role is Role.TEACHER
    return "" if ratio is None or is_teacher else f" ({human_ratio(ratio)})"


def class_iou_plot(records: RunRecords) -> Plot | None:
    """Bars by class; `None` where no file of the shipped runtime has classes."""
    scored = [each for each in records.measurements if _classes(each)]
    main = shipped_student(scored) or (scored[0] if scored else None)
    if main is None:
        return None
    shown = [each for each in scored if each.runtime == main.runtime]
    return Plot(
        stem="class_iou",
        title="Quality by class",
        alt=f"IoU by class. {'; '.join(map(_scores_text, shown))}.",
        note=f"Files of {runtime_name(main.runtime)}. The IoU of a class is "
        "undefined where it stands in no scored image and in no prediction.",
        figure=partial(_draw_iou, shown),
        fits_narrow=True,
    )


def _classes(measurement: Measurement) -> dict[str, float | None]:
    quality = measurement.quality
    return {each.name: each.iou for each in quality.classes} if quality else {}


def _scores_text(measurement: Measurement) -> str:
    scores = []
    for name, iou in _classes(measurement).items():
        text = "undefined" if iou is None else f"{human_percent(iou)} %"
        scores.append(f"{name} {text}")
    return f"{label_of(measurement)}: {', '.join(scores)}"


def _draw_iou(shown: Sequence[Measurement], theme: Theme) -> Figure:
    names = list(_classes(shown[0]))
    height = len(names) * (len(shown) * _IOU_INCHES + 0.16) + 0.8
    figure = Figure((theme.width_inches, height))
    axes = figure.subplots()
    axes.set(title="IoU, %", xlim=(0, 108), ylim=(len(names) - 0.45, -0.55))
    axes.grid(False, axis="y")
    axes.set_xticks(range(0, 101, 20))
    marks = marks_of(shown, theme)
    thickness = _IOU_GROUP / len(shown)
    for place, measurement in enumerate(shown):
        offset = (place - (len(shown) - 1) / 2) * thickness
        scores = _classes(measurement)
        known = {
            index + offset: 100 * iou
            for index, name in enumerate(names)
            if (iou := scores.get(name)) is not None
        }
        color, label = marks[measurement.name].color, label_of(measurement)
        ends, height = [*known.values()], thickness * 0.9
        bars = axes.barh([*known], ends, height, color=color, label=label)
        axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=7, color=theme.faint)
        defined = [name for name in names if scores.get(name) is not None]
        for bar, name, end in zip(bars, defined, ends, strict=True):
            describe(bar, f"{label}: IoU of {name} {end:.1f} %")
    for index, name in enumerate(names):
        # Without a bar it would look like an IoU of 0.
        if all(_classes(each).get(name) is None for each in shown):
            axes.text(0.8, index, "undefined", va="center", color=theme.faint)
    name_bars(axes, names, theme)
    draw_legend(figure)
    return figure
