"""A benchmark of files: quality over latency, or latency alone as bars."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from segshrink.records.measurement import Role
from segshrink.reporting.plots.scatter import (
    Point,
    draw_labels,
    draw_points,
    draw_runtime_legend,
)
from segshrink.reporting.plots.theme import (
    Mark,
    Theme,
    color_of_runtime,
    new_figure,
    plain,
    style_axes,
    style_legend,
)
from segshrink.reporting.units import human_bytes, human_ms

_WIDTH_INCHES = 8.4
_PANEL_INCHES = 4.4
# Diameters in typographic points; the least is still seen.
_LARGEST_MARKER = 22.0
_LEAST_MARKER = 4.5
_LONGEST_NAME = 40
_LONGEST_DATA_NAME = 50

# A group of bars: a line for the name, one for each bar, and a gap.
_LINE_INCHES = 0.2
_GAP_LINES = 0.6
_LONGEST_NAME_OF_BARS = 80


def benchmark_figure(found: Mapping[str, Any], theme: Theme) -> Figure:
    """A picture of what was measured.

    With quality it is a point a file, mIoU over latency, in a panel for each number of
    threads; the area of a point is the size of its file. Without quality it is a bar
    for each file and number of threads. Lines are the quartiles of the latency.

    Args:
        found: what `segshrink.measuring.benchmark.benchmark_files` gives, or the same
            read from JSON.
        theme: colours.

    Returns:
        The figure, for `png_bytes`.
    """
    threads = [int(count) for count in found["peak_macs_per_second"]]
    if all(_miou(entry) is not None for entry in found["files"]):
        return _draw_quality(found, threads, theme)
    return _draw_latency(found["files"], threads, theme)


def _miou(entry: Mapping[str, Any]) -> float | None:
    quality = entry["quality"]
    return None if quality is None else quality["mean_iou"]


def _draw_quality(
    found: Mapping[str, Any], threads: Sequence[int], theme: Theme
) -> Figure:
    files = found["files"]
    figure = new_figure(_WIDTH_INCHES, _PANEL_INCHES * len(threads), theme)
    panels = figure.subplots(len(threads), 1, squeeze=False)[:, 0]
    # Circles for all: areas of different shapes cannot be compared.
    marks = {
        entry["runtime"]: Mark(color_of_runtime(entry["runtime"], theme), "o")
        for entry in files
    }
    data = _shortened(found["data"]["name"], _LONGEST_DATA_NAME)
    scored = plain(f"{files[0]['quality']['part']} of {data}")
    points = {}
    for place, (axes, count) in enumerate(zip(panels, threads, strict=True)):
        style_axes(
            axes,
            theme,
            title=f"mIoU over latency (logarithmic), {_threads(count)}; {scored}",
            x="median latency, ms; its quartiles as a line; areas are sizes of files",
            y="mIoU, %",
        )
        points[axes] = _points(files, place, count, marks)
        draw_points(axes, points[axes], theme)
    draw_runtime_legend(figure, marks, theme)
    # Last, since whatever is drawn later would move the axes under the labels.
    for axes, own in points.items():
        draw_labels(axes, own, theme)
    return figure


def _points(
    files: Sequence[Mapping[str, Any]], place: int, count: int, marks: dict[str, Mark]
) -> list[Point]:
    largest = max(entry["size"]["size_bytes"] for entry in files)
    points = []
    for entry in files:
        size_bytes, timed = entry["size"]["size_bytes"], entry["latency"][place]
        name = f"{_shortened(entry['file'])}, {human_bytes(size_bytes)}"
        points.append(
            Point(
                label=name + _other_threads(timed, count),
                median_ms=timed["median_ms"],
                p25_ms=timed["p25_ms"],
                p75_ms=timed["p75_ms"],
                miou_percent=100 * entry["quality"]["mean_iou"],
                mark=marks[entry["runtime"]],
                diameter=max(
                    _LARGEST_MARKER * (size_bytes / largest) ** 0.5, _LEAST_MARKER
                ),
            )
        )
    return points


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _other_threads(timed: Mapping[str, Any], count: int) -> str:
    """Said of a runtime that takes other threads than it was asked to take."""
    return "" if timed["threads"] == count else f", {_threads(timed['threads'])}"


def _shortened(name: str, most: int = _LONGEST_NAME) -> str:
    """The name without its middle where it is too long: beginnings and ends differ."""
    if len(name) <= most:
        return name
    half = (most - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def _draw_latency(
    files: Sequence[Mapping[str, Any]], threads: Sequence[int], theme: Theme
) -> Figure:
    lines = 1 + len(threads) + _GAP_LINES
    figure = new_figure(_WIDTH_INCHES, len(files) * lines * _LINE_INCHES + 1.1, theme)
    axes = figure.subplots()
    style_axes(
        axes,
        theme,
        title="Median latency of one image"
        + (f", {_threads(threads[0])}" if len(threads) == 1 else ""),
        x="ms; dark lines are the quartiles",
    )
    longest = max(timed["p75_ms"] for entry in files for timed in entry["latency"])
    shades = [*theme.families[Role.TEACHER], *theme.families[Role.NO_TEACHER]]
    for place, count in enumerate(threads):
        heights = [index * lines + 1 + place for index in range(len(files))]
        timings = [entry["latency"][place] for entry in files]
        axes.barh(
            heights,
            [timed["median_ms"] for timed in timings],
            height=0.84,
            color=shades[place % len(shades)],
            label=_threads(count),
        )
        for height, timed in zip(heights, timings, strict=True):
            _draw_timing(axes, height, timed, count, longest, theme)
    for index, entry in enumerate(files):
        # Above its bars, where a long name has the whole width.
        axes.text(
            0, index * lines, plain(_shortened(entry["file"], _LONGEST_NAME_OF_BARS)),
            va="center", fontsize=8.5, color=theme.ink,
        )  # fmt: skip
    axes.set_ylim(len(files) * lines - _GAP_LINES, -0.6)
    # Room for the text beside the longest bar.
    axes.set_xlim(0, longest * 1.2)
    axes.set_yticks([])
    axes.grid(False, axis="y")
    if len(threads) > 1:
        style_legend(
            figure.legend(loc="outside lower center", ncols=min(len(threads), 5)), theme
        )
    return figure


def _draw_timing(
    axes: Any,
    height: float,
    timed: Mapping[str, Any],
    count: int,
    longest: float,
    theme: Theme,
) -> None:
    """The quartiles as a line, and the median in words beside it."""
    axes.plot(
        [timed["p25_ms"], timed["p75_ms"]], [height, height], color=theme.ink,
        linewidth=1.5, marker="|", markersize=5,
    )  # fmt: skip
    axes.text(
        timed["p75_ms"] + longest * 0.015,
        height,
        f"{human_ms(timed['median_ms'])} ms{_other_threads(timed, count)}",
        va="center",
        fontsize=8,
        color=theme.ink,
    )
