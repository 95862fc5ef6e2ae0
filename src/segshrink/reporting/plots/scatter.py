"""Points of mIoU over latency, each named beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from segshrink.reporting.plots.label_placement import Box, leader, place_labels
from segshrink.reporting.plots.theme import (
    DOTS_PER_INCH,
    Mark,
    Theme,
    plain,
    style_legend,
)
from segshrink.reporting.units import runtime_name

_LEAST_DECADE = 4.0
_LEAST_POINTS = 4.0
_CLEARANCE_PX = 2.625
_TICK_MULTIPLES = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
_POINTS_PER_INCH = 72


@dataclass(frozen=True)
class Point:
    """One file in the plot.

    Attributes:
        label: what stands beside it.
        median_ms: median latency in milliseconds.
        p25_ms: lower quartile.
        p75_ms: upper quartile.
        miou_percent: mIoU in per cent.
        mark: colour and shape.
        diameter: of the marker in typographic points.
    """

    label: str
    median_ms: float
    p25_ms: float
    p75_ms: float
    miou_percent: float
    mark: Mark
    diameter: float = 9.0

    @property
    def radius_px(self) -> float:
        """Half the size of the marker with its clearance, in pixels."""
        return self.diameter / 2 * DOTS_PER_INCH / _POINTS_PER_INCH + _CLEARANCE_PX


def draw_points(axes: Any, points: Sequence[Point], theme: Theme) -> None:
    """The points with their quartiles on a logarithmic axis; labels come later."""
    for point in points:
        axes.plot(
            [point.p25_ms, point.p75_ms],
            [point.miou_percent, point.miou_percent],
            color=point.mark.color,
            linewidth=2,
        )
        axes.plot(
            point.median_ms,
            point.miou_percent,
            marker=point.mark.marker,
            markersize=point.diameter,
            color=point.mark.color,
            markeredgecolor=theme.paper,
            zorder=3,
        )
    _set_limits(axes, points)


def _set_limits(axes: Any, points: Sequence[Point]) -> None:
    """Room around the points, and never so near that noise looks like a difference."""
    fastest = min(point.p25_ms for point in points)
    slowest = max(point.p75_ms for point in points)
    widening = max(_LEAST_DECADE / (slowest / fastest), 1.0) ** 0.5 * 1.25
    axes.set_xscale("log")
    axes.set_xlim(fastest / widening, slowest * widening)
    axes.xaxis.set_major_locator(LogLocator(subs=_TICK_MULTIPLES))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    mious = [point.miou_percent for point in points]
    span = max(mious) - min(mious)
    margin = max(0.15 * span, (_LEAST_POINTS - span) / 2)
    axes.set_ylim(min(mious) - margin, max(mious) + margin)


def draw_runtime_legend(figure: Figure, marks: dict[str, Mark], theme: Theme) -> None:
    """Which mark is which runtime; needless where there is only one."""
    if len(marks) < 2:
        return
    handles = [
        Line2D([], [], marker=mark.marker, linestyle="", color=mark.color, markersize=7)
        for mark in marks.values()
    ]
    names = [plain(runtime_name(runtime)) for runtime in marks]
    style_legend(
        figure.legend(handles, names, loc="outside lower center", ncols=len(names)),
        theme,
    )


def draw_labels(
    axes: Any,
    points: Sequence[Point],
    theme: Theme,
    more_obstacles: Callable[[], Sequence[Box]] = tuple,
) -> None:
    """Name every point where no name covers another; everything else is drawn.

    Args:
        axes: where the points are.
        points: what to name.
        theme: colours.
        more_obstacles: called once the layout is known; what else names must not
            cover, in pixels.
    """
    texts = [
        axes.text(0, 0, plain(point.label), fontsize=8.5, color=theme.ink)
        for point in points
    ]
    for text in texts:
        text.set_in_layout(False)
    # Positions in pixels are known only after the layout has been computed.
    axes.figure.draw_without_rendering()
    extents = [text.get_window_extent() for text in texts]
    places = [
        tuple(axes.transData.transform((point.median_ms, point.miou_percent)))
        for point in points
    ]
    area = axes.get_window_extent()
    boxes = place_labels(
        places,
        [(extent.width, extent.height) for extent in extents],
        Box(area.x0, area.y0, area.width, area.height),
        radii=[point.radius_px for point in points],
        obstacles=[
            *(_quartile_box(axes, point) for point in points),
            *more_obstacles(),
        ],
    )
    for text, point, place, box in zip(texts, points, places, boxes, strict=True):
        _move_label(axes, text, place, box, point.radius_px, theme)


def _quartile_box(axes: Any, point: Point) -> Box:
    """The line from the lower to the upper quartile, as thick as a thin label gap."""
    left, y = axes.transData.transform((point.p25_ms, point.miou_percent))
    right, _ = axes.transData.transform((point.p75_ms, point.miou_percent))
    return Box(left - 5, y - 2, right - left + 10, 4)


def _move_label(
    axes: Any,
    text: Any,
    place: tuple[float, float],
    box: Box,
    radius_px: float,
    theme: Theme,
) -> None:
    """Put a label into its box, with a line to its point where that lies apart."""
    to_data = axes.transData.inverted()
    text.set_position(to_data.transform((box.left, box.bottom)))
    text.set_verticalalignment("bottom")
    line = leader(place, box, radius_px)
    if line is not None:
        ends = to_data.transform(line)
        axes.plot(ends[:, 0], ends[:, 1], color=theme.faint, linewidth=0.7, zorder=1)
