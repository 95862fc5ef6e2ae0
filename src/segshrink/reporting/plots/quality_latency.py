"""Quality over latency of every file: up and to the left is better."""

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure

from segshrink.records.measurement import Latency, Measurement
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.scatter import (
    Point,
    draw_labels,
    draw_points,
    draw_runtime_legend,
)
from segshrink.reporting.plots.theme import (
    Mark,
    Theme,
    marks_of,
    new_figure,
    style_axes,
)
from segshrink.reporting.run_types import RunRecords
from segshrink.reporting.table import label_of
from segshrink.reporting.units import human_bytes, human_ms, human_percent


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
    points = [_point(measurement, marks[measurement.name]) for measurement in shown]
    draw_points(axes, points, theme)
    # Colours tell roles here, so the legend has none.
    runtimes = {
        each.runtime: Mark(theme.faint, marks[each.name].marker) for each in shown
    }
    draw_runtime_legend(figure, runtimes, theme)
    draw_labels(axes, points, theme)
    return figure


def _x_label(shown: Sequence[Measurement]) -> str:
    threads = sorted({_latency(each).threads for each in shown})
    counts = " or ".join(str(count) for count in threads)
    return f"median latency, ms, {counts} thread{'' if threads == [1] else 's'}"


def _point(measurement: Measurement, mark: Mark) -> Point:
    latency = _latency(measurement)
    return Point(
        label=_label(measurement),
        median_ms=latency.median_ms,
        p25_ms=latency.p25_ms,
        p75_ms=latency.p75_ms,
        miou_percent=100 * (measurement.mean_iou or 0.0),
        mark=mark,
    )


def _label(measurement: Measurement) -> str:
    if measurement.size is None:
        return label_of(measurement)
    return f"{label_of(measurement)}, {human_bytes(measurement.size.gzipped_bytes)}"
