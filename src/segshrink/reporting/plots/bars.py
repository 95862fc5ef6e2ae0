"""Horizontal bars: cost of every file, and IoU of every class."""

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segshrink.records.measurement import Measurement, Role
from segshrink.reporting.comparison import Comparison, compare, shipped_student
from segshrink.reporting.plots.plot import WIDTH_INCHES, Plot, draw_legend
from segshrink.reporting.plots.theme import Theme, marks_of
from segshrink.reporting.run_records import RunRecords
from segshrink.reporting.table import format_of, label_of
from segshrink.reporting.units import (
    human_bytes,
    human_ms,
    human_percent,
    human_ratio,
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
    quartiles: Sequence[tuple[float, float]] = (),
) -> None:
    """One bar per length from the top down, without an axis below.

    Args:
        axes: an empty panel.
        lengths: of the bars.
        texts: what stands at the end of each bar.
        theme: colours.
        color: of all bars, or one per bar.
        room: how many times the longest bar the panel is wide.
        quartiles: ends of a dark line over each bar.
    """
    errors = [
        [abs(end - length) for length, end in zip(lengths, ends, strict=True)]
        for ends in zip(*quartiles, strict=True)
    ]
    bars = axes.barh(
        range(len(lengths)),
        lengths,
        height=0.62,
        color=color,
        xerr=errors or None,
        ecolor=theme.ink,
    )
    axes.bar_label(bars, texts, padding=3)
    axes.set_xlim(0, (max(lengths) or 1.0) * room)
    axes.set_xticks([])
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    axes.set_ylim(len(lengths) - 0.5, -0.5)


def name_bars(axes: Axes, names: Sequence[str], theme: Theme) -> None:
    """Names on the left, from the top down."""
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", labelcolor=theme.ink)


def cost_plot(records: RunRecords) -> Plot | None:
    """Two panels with one bar per file; `None` where no file has a size."""
    shown = [each for each in records.measurements if each.size]
    if not shown:
        return None
    costs = [f"{label_of(each)}: {_size(each)}, {_latency(each)}" for each in shown]
    return Plot(
        stem="cost",
        title="Size and latency",
        alt=f"Gzipped size and latency of each file. {'; '.join(costs)}.",
        note="In brackets how many times smaller or faster than the teacher's float "
        "file in the same runtime. Black lines are the quartiles of the latency.",
        figure=partial(_draw_cost, shown),
    )


def _size(measurement: Measurement) -> str:
    size = measurement.size
    return human_bytes(size.gzipped_bytes if size else None)


def _latency(measurement: Measurement) -> str:
    latency = measurement.latency
    return f"{human_ms(latency.median_ms)} ms" if latency else "not timed"


def _draw_cost(shown: Sequence[Measurement], theme: Theme) -> Figure:
    figure = Figure((WIDTH_INCHES, len(shown) * _COST_INCHES + 1.0))
    sizes, latencies = figure.subplots(1, 2, sharey=True)
    sizes.set_title("Gzipped size")
    latencies.set_title("Median latency")
    comparisons = [compare(each, shown) for each in shown]
    marks = marks_of(shown, theme)
    colors = [marks[each.name].color for each in shown]
    draw = partial(draw_bars, theme=theme, color=colors, room=_COST_ROOM)
    draw(
        sizes,
        [each.size.gzipped_bytes if each.size else 0 for each in shown],
        [_size(c.measurement) + _ratio(c, c.times_smaller) for c in comparisons],
    )
    timed = [each.latency for each in shown]
    draw(
        latencies,
        [each.median_ms if each else 0.0 for each in timed],
        [_latency(c.measurement) + _ratio(c, c.times_faster) for c in comparisons],
        quartiles=[(each.p25_ms, each.p75_ms) if each else (0, 0) for each in timed],
    )
    name_bars(sizes, [f"{label_of(each)}\n{format_of(each)}" for each in shown], theme)
    return figure


def _ratio(comparison: Comparison, ratio: float | None) -> str:
    is_teacher = comparison.measurement.role is Role.TEACHER
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
    )


def _classes(measurement: Measurement) -> dict[str, float | None]:
    quality = measurement.quality
    return {each.name: each.iou for each in quality.classes} if quality else {}


def _scores_text(measurement: Measurement) -> str:
    scores = [
        f"{name} undefined" if iou is None else f"{name} {human_percent(iou)} %"
        for name, iou in _classes(measurement).items()
    ]
    return f"{label_of(measurement)}: {', '.join(scores)}"


def _draw_iou(shown: Sequence[Measurement], theme: Theme) -> Figure:
    names = list(_classes(shown[0]))
    height = len(names) * (len(shown) * _IOU_INCHES + 0.16) + 0.8
    figure = Figure((WIDTH_INCHES, height))
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
        bars = axes.barh(
            list(known),
            list(known.values()),
            height=thickness * 0.9,
            color=marks[measurement.name].color,
            label=label_of(measurement),
        )
        axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=7, color=theme.faint)
    for index, name in enumerate(names):
        # Without a bar it would look like an IoU of 0.
        if all(_classes(each).get(name) is None for each in shown):
            axes.text(0.8, index, "undefined", va="center", color=theme.faint)
    name_bars(axes, names, theme)
    draw_legend(figure)
    return figure
