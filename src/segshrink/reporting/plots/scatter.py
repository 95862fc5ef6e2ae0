"""Points of mIoU over latency, each with a short name beside it and a legend below."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from segshrink.reporting.plots.inline_svg import describe
from segshrink.reporting.plots.plot import draw_legend, limits
from segshrink.reporting.plots.theme import Mark, Theme
from segshrink.reporting.units import human_ms

_PANEL_INCHES = 4.4
_LEAST_DECADE = 4.0
_LEAST_POINTS = 4.0
_TICK_MULTIPLES = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
# Places of a name around its point, the nearest first, in degrees and in points.
_DIRECTIONS = (90, 270, 45, 135, 315, 225, 0, 180)
_DISTANCES = range(2, 80, 6)
# A name further away than this needs a line to its point.
_NEAR = 24.0
_OTHER_RADIUS = 4.0


@dataclass(frozen=True)
class Point:
    """One file in the plot.

    Attributes:
        name: what stands beside it, a few letters.
        label: what it is, in the legend.
        median_ms: median latency in milliseconds.
        miou_percent: mIoU in per cent.
        mark: colour and shape.
        quartiles_ms: lower and upper quartile of the latency, where they are known.
        diameter: of the marker in typographic points.
    """

    name: str
    label: str
    median_ms: float
    miou_percent: float
    mark: Mark
    quartiles_ms: tuple[float, float] | None = None
    diameter: float = 9.0

    @property
    def place(self) -> tuple[float, float]:
        """Where it lies in the axes."""
        return self.median_ms, self.miou_percent


@dataclass(frozen=True)
class Panel:
    """Points that are drawn in one system of axes, with what stands around it."""

    title: str
    x_label: str
    points: Sequence[Point]


def scatter_figure(panels: Sequence[Panel], theme: Theme) -> Figure:
    """One panel below the other, with one legend of the points of the first."""
    figure = Figure((theme.width_inches, _PANEL_INCHES * len(panels)))
    columns = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    drawn = list(zip(columns, panels, strict=True))
    for axes, panel in drawn:
        axes.set(title=panel.title, xlabel=panel.x_label, ylabel="mIoU, %")
        draw_points(axes, panel.points, with_legend=panel is panels[0])
        _set_limits(axes, panel.points)
    draw_legend(figure)
    # Last, since whatever is drawn later would move the axes under the names.
    for axes, panel in drawn:
        draw_names(axes, panel.points, theme)
    return figure


def draw_points(
    axes: Axes, points: Sequence[Point], *, with_legend: bool = True
) -> None:
    """The points with their quartiles; their names come last, by `draw_names`."""
    for point in points:
        color, marker, height = point.mark.color, point.mark.marker, point.miou_percent
        if point.quartiles_ms:
            axes.plot(point.quartiles_ms, [height] * 2, color=color, lw=2)
        size = point.diameter
        (dot,) = axes.plot(
            point.median_ms, height, marker, color=color, ms=size, zorder=4
        )
        says = f"{point.label}: {height:.1f} % in {human_ms(point.median_ms)} ms"
        describe(dot, says)
        if with_legend:
            axes.plot([], [], marker, color=color, ms=7, label=point.label)


def _set_limits(axes: Axes, points: Sequence[Point]) -> None:
    ends = [end for point in points for end in point.quartiles_ms or (point.median_ms,)]
    fastest, slowest = min(ends), max(ends)
    widening = max(_LEAST_DECADE / (slowest / fastest), 1.0) ** 0.5 * 1.25
    use_log_latency(axes)
    axes.set_xlim(fastest / widening, slowest * widening)
    mious = [point.miou_percent for point in points]
    axes.set_ylim(limits(mious, least=_LEAST_POINTS, below=0.15, above=0.15))


def use_log_latency(axes: Axes) -> None:
    """A logarithmic axis of latencies with plain numbers."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=_TICK_MULTIPLES))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def draw_names(
    axes: Axes,
    points: Sequence[Point],
    theme: Theme,
    others: Sequence[tuple[float, float]] = (),
) -> None:
    """Name every point where its name covers no point and no other name.

    Everything else must be drawn, since positions are those of the final layout.

    Args:
        axes: where the points are.
        points: what to name.
        theme: colours.
        others: latency and mIoU of points without a name, not to be covered either.
    """
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    area, pixels = axes.get_window_extent(), axes.figure.dpi / 72
    dots = [(point.place, point.diameter / 2 + 1) for point in points]
    dots += [(place, _OTHER_RADIUS) for place in others]
    taken = []
    for place, radius in dots:
        center = axes.transData.transform(place)
        taken.append(Bbox([center, center]).padded(radius * pixels))
    for point in points:
        ends = [(x, point.miou_percent) for x in point.quartiles_ms or ()]
        if ends:
            taken.append(Bbox(axes.transData.transform(ends)).padded(pixels))
    for point in points:
        probe = axes.text(*point.place, point.name, ha="center", va="center")
        size = probe.get_window_extent()
        probe.remove()
        offset, box = (0.0, 0.0), size
        for offset in _offsets(point, size.width / pixels, size.height / pixels):
            box = size.translated(offset[0] * pixels, offset[1] * pixels)
            is_inside = area.count_contains(box.corners()) == 4
            if is_inside and not box.count_overlaps(taken):
                break
        taken.append(box)
        _annotate(axes, point, offset, theme)


def _offsets(
    point: Point, width: float, height: float
) -> Iterator[tuple[float, float]]:
    """Where the centre of a name may lie from its point, in typographic points."""
    for distance in _DISTANCES:
        reach = point.diameter / 2 + distance
        for degrees in _DIRECTIONS:
            angle = math.radians(degrees)
            across, up = reach + width / 2, reach + height / 2
            yield math.cos(angle) * across, math.sin(angle) * up


def _annotate(
    axes: Axes, point: Point, offset: tuple[float, float], theme: Theme
) -> None:
    is_apart = math.hypot(*offset) > point.diameter / 2 + _NEAR
    line = {"arrowstyle": "-", "color": theme.faint, "lw": 0.7, "shrinkA": 0}
    arrow = line if is_apart else None
    name, at = point.name, point.place
    text = axes.annotate(name, at, offset, "data", "offset points", arrow)
    halo = withStroke(linewidth=2.5, foreground=theme.paper)
    text.set(ha="center", va="center", path_effects=[halo], zorder=5, in_layout=False)
