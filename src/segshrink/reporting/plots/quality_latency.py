"""Quality over latency of every file: up and to the left is better."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from segshrink.reporting.plots.label_placement import Box, place_labels
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.theme import (
    Mark,
    Theme,
    marks_of,
    new_figure,
    plain,
    style_axes,
    style_legend,
)
from segshrink.reporting.record_types import Latency, Measurement, RunRecords
from segshrink.reporting.table import label_of
from segshrink.reporting.units import (
    human_bytes,
    human_ms,
    human_percent,
    runtime_name,
)

_LEAST_DECADE = 4.0
_LEAST_POINTS = 4.0
_MARKER_RADIUS_PX = 12
_TICK_MULTIPLES = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)


def quality_latency_plot(records: RunRecords) -> Plot | None:
    """A point a file; `None` unless a file has both a latency and a mIoU."""
    shown = [
        each
        for each in records.measurements
        if each.latency is not None and each.mean_iou is not None
    ]
    if not shown:
        return None
    return Plot(
        stem="quality_latency",
        title="Quality against latency",
        alt=_alt(shown),
        note="Up and to the left is better. Bars are the quartiles of the latency; "
        "beside each name stands the gzipped size.",
        draw=partial(_draw, shown),
    )


def _alt(shown: Sequence[Measurement]) -> str:
    points = [
        f"{label_of(each)} {human_percent(each.mean_iou)} % at "
        f"{human_ms(_latency(each).median_ms)} ms"
        for each in shown
    ]
    return f"mIoU against latency of each file: {'; '.join(points)}."


def _latency(measurement: Measurement) -> Latency:
    if measurement.latency is None:
        raise ValueError(f"{measurement.name} has no latency")
    return measurement.latency


def _draw(shown: Sequence[Measurement], theme: Theme) -> Figure:
    figure = new_figure(8.4, 4.8, theme)
    axes = figure.subplots()
    style_axes(
        axes,
        theme,
        title="mIoU, % over latency, ms (logarithmic)",
        x=_x_label(shown),
        y="mIoU, %",
    )
    marks = marks_of(shown, theme)
    for measurement in shown:
        _draw_point(axes, measurement, marks[measurement.name], theme)
    _set_limits(axes, shown)
    _draw_runtime_legend(axes, shown, marks, theme)
    _draw_labels(figure, axes, shown, theme)
    return figure


def _x_label(shown: Sequence[Measurement]) -> str:
    threads = sorted({_latency(each).threads for each in shown})
    counts = " or ".join(str(count) for count in threads)
    return f"median latency, ms, {counts} thread{'' if threads == [1] else 's'}"


def _draw_point(axes: Any, measurement: Measurement, mark: Mark, theme: Theme) -> None:
    latency = _latency(measurement)
    miou = 100 * (measurement.mean_iou or 0.0)
    axes.plot(
        [latency.p25_ms, latency.p75_ms], [miou, miou], color=mark.color, linewidth=2
    )
    axes.plot(
        latency.median_ms,
        miou,
        marker=mark.marker,
        markersize=9,
        color=mark.color,
        markeredgecolor=theme.paper,
        zorder=3,
    )


def _set_limits(axes: Any, shown: Sequence[Measurement]) -> None:
    """Room around the points, and never so near that noise looks like a difference."""
    fastest = min(_latency(each).p25_ms for each in shown)
    slowest = max(_latency(each).p75_ms for each in shown)
    widening = max(_LEAST_DECADE / (slowest / fastest), 1.0) ** 0.5 * 1.25
    axes.set_xscale("log")
    axes.set_xlim(fastest / widening, slowest * widening)
    axes.xaxis.set_major_locator(LogLocator(subs=_TICK_MULTIPLES))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    mious = [100 * (each.mean_iou or 0.0) for each in shown]
    span = max(mious) - min(mious)
    margin = max(0.15 * span, (_LEAST_POINTS - span) / 2)
    axes.set_ylim(min(mious) - margin, max(mious) + margin)


def _draw_runtime_legend(
    axes: Any, shown: Sequence[Measurement], marks: dict[str, Mark], theme: Theme
) -> None:
    """Which marker is which runtime; needless where there is only one."""
    markers = {each.runtime: marks[each.name].marker for each in shown}
    if len(markers) < 2:
        return
    handles = [
        Line2D([], [], marker=marker, linestyle="", color=theme.faint, markersize=7)
        for marker in markers.values()
    ]
    names = [plain(runtime_name(runtime)) for runtime in markers]
    style_legend(
        axes.figure.legend(
            handles, names, loc="outside lower center", ncols=len(names)
        ),
        theme,
    )


def _draw_labels(
    figure: Figure, axes: Any, shown: Sequence[Measurement], theme: Theme
) -> None:
    texts = [
        axes.text(0, 0, plain(_label(each)), fontsize=8.5, color=theme.ink)
        for each in shown
    ]
    for text in texts:
        text.set_in_layout(False)
    # Positions in pixels are known only after the layout has been computed.
    figure.draw_without_rendering()
    extents = [text.get_window_extent() for text in texts]
    points = [
        tuple(axes.transData.transform((_latency(each).median_ms, 100 * miou)))
        for each in shown
        if (miou := each.mean_iou) is not None
    ]
    sizes = [(extent.width, extent.height) for extent in extents]
    area = axes.get_window_extent()
    bounds = Box(area.x0, area.y0, area.width, area.height)
    boxes = place_labels(
        points,
        sizes,
        bounds,
        radius=_MARKER_RADIUS_PX,
        obstacles=[_quartile_box(axes, each) for each in shown],
    )
    for text, point, box in zip(texts, points, boxes, strict=True):
        _move_label(axes, text, point, box, theme)


def _quartile_box(axes: Any, measurement: Measurement) -> Box:
    """The line from the lower to the upper quartile, as thick as a thin label gap."""
    latency = _latency(measurement)
    miou = 100 * (measurement.mean_iou or 0.0)
    left, y = axes.transData.transform((latency.p25_ms, miou))
    right, _ = axes.transData.transform((latency.p75_ms, miou))
    return Box(left - 5, y - 2, right - left + 10, 4)


def _label(measurement: Measurement) -> str:
    if measurement.size is None:
        return label_of(measurement)
    return f"{label_of(measurement)}, {human_bytes(measurement.size.gzipped_bytes)}"


def _move_label(
    axes: Any, text: Any, point: tuple[float, float], box: Box, theme: Theme
) -> None:
    """Put a label into its box, with a line to its point where that lies apart."""
    to_data = axes.transData.inverted()
    text.set_position(to_data.transform((box.left, box.bottom)))
    text.set_verticalalignment("bottom")
    nearest = (
        min(max(point[0], box.left), box.left + box.width),
        min(max(point[1], box.bottom), box.bottom + box.height),
    )
    apart = max(abs(nearest[0] - point[0]), abs(nearest[1] - point[1]))
    if apart > 1.5 * _MARKER_RADIUS_PX:
        ends = to_data.transform([point, nearest])
        axes.plot(ends[:, 0], ends[:, 1], color=theme.faint, linewidth=0.7, zorder=1)
