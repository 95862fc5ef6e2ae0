"""Gzipped size and latency of every file, as bars."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from segshrink.records.measurement import Measurement
from segshrink.reporting.comparison import compare
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.theme import (
    Theme,
    marks_of,
    new_figure,
    plain,
    style_axes,
)
from segshrink.reporting.run_types import RunRecords
from segshrink.reporting.table import format_of, label_of
from segshrink.reporting.units import human_bytes, human_ms, human_ratio

_BAR_INCHES = 0.36


def cost_plot(records: RunRecords) -> Plot | None:
    """Two panels, a bar a file; `None` where no file has a size."""
    shown = [each for each in records.measurements if each.size]
    if not shown:
        return None
    return Plot(
        stem="cost",
        title="Size and latency",
        alt=_alt(shown),
        note="In brackets how many times smaller or faster than the teacher's float "
        "file in the same runtime. Black lines are the quartiles of the latency.",
        draw=partial(_draw, shown),
    )


def _alt(shown: Sequence[Measurement]) -> str:
    costs = [f"{label_of(each)}: {_size(each)}, {_latency(each)}" for each in shown]
    return f"Gzipped size and latency of each file. {'; '.join(costs)}."


def _size(measurement: Measurement) -> str:
    size = measurement.size
    return human_bytes(size.gzipped_bytes if size else None)


def _latency(measurement: Measurement) -> str:
    latency = measurement.latency
    return f"{human_ms(latency.median_ms)} ms" if latency else "not timed"


def _draw(shown: Sequence[Measurement], theme: Theme) -> Figure:
    figure = new_figure(8.4, len(shown) * _BAR_INCHES + 1.0, theme)
    sizes, latencies = figure.subplots(1, 2, sharey=True)
    style_axes(sizes, theme, title="Gzipped size")
    style_axes(latencies, theme, title="Median latency")
    _draw_panel(sizes, shown, theme, _size_bar)
    _draw_panel(latencies, shown, theme, _latency_bar)
    _draw_quartiles(latencies, shown, theme)
    names = [plain(f"{label_of(each)}\n{format_of(each)}") for each in shown]
    sizes.set_yticks(range(len(shown)), names)
    sizes.tick_params(axis="y", labelcolor=theme.ink, labelsize=8)
    sizes.invert_yaxis()
    return figure


def _size_bar(
    measurement: Measurement, shown: Sequence[Measurement]
) -> tuple[float, str]:
    size = measurement.size.gzipped_bytes if measurement.size else 0
    ratio = compare(measurement, shown).times_smaller
    return float(size), _with_ratio(_size(measurement), ratio, measurement)


def _latency_bar(
    measurement: Measurement, shown: Sequence[Measurement]
) -> tuple[float, str]:
    latency = measurement.latency
    ratio = compare(measurement, shown).times_faster
    length = latency.median_ms if latency else 0.0
    return length, _with_ratio(_latency(measurement), ratio, measurement)


def _with_ratio(text: str, ratio: float | None, measurement: Measurement) -> str:
    if ratio is None or measurement.role == "teacher":
        return text
    return f"{text} ({human_ratio(ratio)})"


def _draw_panel(
    axes: Any,
    shown: Sequence[Measurement],
    theme: Theme,
    bar_of: Callable[[Measurement, Sequence[Measurement]], tuple[float, str]],
) -> None:
    marks = marks_of(shown, theme)
    bars = [bar_of(measurement, shown) for measurement in shown]
    longest = max([length for length, _ in bars]) or 1.0
    axes.barh(
        range(len(shown)),
        [length for length, _ in bars],
        height=0.62,
        color=[marks[each.name].color for each in shown],
    )
    for place, (measurement, (length, text)) in enumerate(
        zip(shown, bars, strict=True)
    ):
        reach = max(length, measurement.latency.p75_ms if measurement.latency else 0)
        end = reach if bar_of is _latency_bar else length
        axes.text(
            end + longest * 0.02,
            place,
            text,
            va="center",
            fontsize=8,
            color=theme.ink,
        )
    # Room for the longest text beside the longest bar.
    axes.set_xlim(0, longest * 1.55)
    axes.set_xticks([])
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)


def _draw_quartiles(axes: Any, shown: Sequence[Measurement], theme: Theme) -> None:
    for place, measurement in enumerate(shown):
        if measurement.latency:
            ends = [measurement.latency.p25_ms, measurement.latency.p75_ms]
            axes.plot(ends, [place, place], color=theme.ink, linewidth=1.5)
