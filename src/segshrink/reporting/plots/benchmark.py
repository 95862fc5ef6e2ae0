"""A benchmark of files: quality over latency, or latency alone as bars."""

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure

from segshrink.records.benchmark import Benchmark, BenchmarkFile
from segshrink.records.measurement import Latency, Role
from segshrink.reporting.plots.bars import quartile_errors
from segshrink.reporting.plots.plot import WIDTH_INCHES, Plot, draw_legend
from segshrink.reporting.plots.scatter import Panel, Point, scatter_figure
from segshrink.reporting.plots.theme import Mark, Theme, color_of_runtime
from segshrink.reporting.units import (
    counted,
    human_bytes,
    ms_text,
    runtime_name,
    shortened,
)

# Diameters in typographic points; the least is still seen.
_LARGEST_MARKER = 22.0
_LEAST_MARKER = 4.5
_LONGEST_NAME = 40
_LONGEST_DATA_NAME = 50

# A group of bars: a line for the name, one for each bar, and a gap.
_LINE_INCHES = 0.2
_GAP_LINES = 0.6
_LONGEST_NAME_OF_BARS = 80


def benchmark_plot(benchmark: Benchmark) -> Plot:
    """A picture of what was measured.

    With quality it is one point per file, mIoU over latency, in a panel for each number
    of threads; the area of a point is the size of its file. Without quality it is a bar
    for each file and number of threads. Lines are the quartiles of the latency.
    """
    qualities = [file.quality for file in benchmark.files]
    is_scored = all(each and each.mean_iou is not None for each in qualities)
    draw = _draw_quality if is_scored else _draw_latency
    threads = [int(count) for count in benchmark.peak_macs_per_second]
    names = ", ".join(file.file for file in benchmark.files)
    return Plot(
        stem="benchmark",
        title="Benchmark",
        alt=f"Quality and latency of {names}.",
        figure=partial(draw, benchmark, threads),
    )


def _draw_quality(benchmark: Benchmark, threads: Sequence[int], theme: Theme) -> Figure:
    quality, data = benchmark.files[0].quality, benchmark.data
    scored = "" if quality is None else quality.part
    if data:
        scored += f" of {shortened(data.name, _LONGEST_DATA_NAME)}"
    panels = [
        Panel(
            f"mIoU over latency (logarithmic), {counted(count, 'thread')}; {scored}",
            "median latency, ms; its quartiles as a line; areas are sizes of files",
            _points(benchmark.files, place, count, theme),
        )
        for place, count in enumerate(threads)
    ]
    return scatter_figure(panels, theme)


def _points(
    files: Sequence[BenchmarkFile], place: int, count: int, theme: Theme
) -> list[Point]:
    largest = max(file.size.size_bytes for file in files)
    points = []
    for number, file in enumerate(files, 1):
        size_bytes, timed = file.size.size_bytes, file.latency[place]
        name, runtime = shortened(file.file, _LONGEST_NAME), runtime_name(file.runtime)
        miou = file.quality.mean_iou if file.quality else None
        diameter = _LARGEST_MARKER * (size_bytes / largest) ** 0.5
        points.append(
            Point(
                name=f"{number}{_other_threads(timed, count)}",
                label=f"{number}: {name}, {human_bytes(size_bytes)}, {runtime}",
                median_ms=timed.median_ms,
                miou_percent=100 * (miou or 0.0),
                # Circles for all: areas of different shapes cannot be compared.
                mark=Mark(color_of_runtime(file.runtime, theme), "o"),
                quartiles_ms=(timed.p25_ms, timed.p75_ms),
                diameter=max(diameter, _LEAST_MARKER),
            )
        )
    return points


def _other_threads(timed: Latency, count: int) -> str:
    """Number of threads of a runtime that does not take the requested number."""
    return "" if timed.threads == count else f", {counted(timed.threads, 'thread')}"


def _draw_latency(benchmark: Benchmark, threads: Sequence[int], theme: Theme) -> Figure:
    files = benchmark.files
    lines = 1 + len(threads) + _GAP_LINES
    figure = Figure((WIDTH_INCHES, len(files) * lines * _LINE_INCHES + 0.9))
    axes = figure.subplots()
    only = f", {counted(threads[0], 'thread')}" if len(threads) == 1 else ""
    axes.set(
        title=f"Median latency of one image{only}",
        xlabel="ms; dark lines are the quartiles",
        ylim=(len(files) * lines - _GAP_LINES, -0.6),
    )
    shades = [*theme.families[Role.TEACHER], *theme.families[Role.NO_TEACHER]]
    for place, count in enumerate(threads):
        heights = [index * lines + 1 + place for index in range(len(files))]
        timings = [file.latency[place] for file in files]
        bars = axes.barh(
            heights,
            [timed.median_ms for timed in timings],
            0.84,
            xerr=quartile_errors(timings),
            ecolor=theme.ink,
            capsize=2.5,
            color=shades[place % len(shades)],
            label=counted(count, "thread"),
        )
        texts = [
            ms_text(each.median_ms) + _other_threads(each, count) for each in timings
        ]
        axes.bar_label(bars, texts, padding=4)
    for index, file in enumerate(files):
        # Above its bars, where a long name has the whole width.
        name = shortened(file.file, _LONGEST_NAME_OF_BARS)
        axes.text(0, index * lines, name, va="center", fontsize=8.5)
    # Room for the text beside the longest bar.
    longest = max(timed.p75_ms for file in files for timed in file.latency)
    axes.set_xlim(0, longest * 1.2)
    axes.set_yticks([])
    axes.grid(False, axis="y")
    if len(threads) > 1:
        draw_legend(figure)
    return figure
