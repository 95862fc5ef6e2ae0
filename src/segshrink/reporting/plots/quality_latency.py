"""Quality over latency of every file: up and to the left is better."""

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure

from segshrink.records.measurement import Latency, Measurement
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.scatter import Panel, Point, scatter_figure
from segshrink.reporting.plots.theme import Theme, marks_of
from segshrink.reporting.run_records import RunRecords
from segshrink.reporting.table import label_of
from segshrink.reporting.units import (
    counted,
    human_bytes,
    human_ms,
    human_percent,
    runtime_name,
)


def quality_latency_plot(records: RunRecords) -> Plot | None:
    """One point per file; `None` unless a file has both a latency and a mIoU."""
    shown = [
        (each, each.latency, each.mean_iou)
        for each in records.measurements
        if each.latency is not None and each.mean_iou is not None
    ]
    if not shown:
        return None
    texts = [
        f"{label_of(each)} {human_percent(miou)} % at {human_ms(latency.median_ms)} ms"
        for each, latency, miou in shown
    ]
    return Plot(
        stem="quality_latency",
        title="Quality against latency",
        alt=f"mIoU against latency of each file: {'; '.join(texts)}.",
        note="Up and to the left is better. Lines are the quartiles of the latency; "
        "the legend names the files with their gzipped sizes.",
        figure=partial(_draw, shown),
        fits_narrow=True,
    )


def _draw(shown: Sequence[tuple[Measurement, Latency, float]], theme: Theme) -> Figure:
    marks = marks_of([each for each, _, _ in shown], theme)
    points = [
        Point(
            name=str(number),
            label=f"{number}: {_label(each)}",
            median_ms=latency.median_ms,
            miou_percent=100 * miou,
            mark=marks[each.name],
            quartiles_ms=(latency.p25_ms, latency.p75_ms),
        )
        for number, (each, latency, miou) in enumerate(shown, 1)
    ]
    *others, most = sorted({latency.threads for _, latency, _ in shown})
    threads = "".join(f"{each} or " for each in others) + counted(most, "thread")
    title = "mIoU, % over latency, ms (logarithmic)"
    panel = Panel(title, f"median latency, ms, {threads}", points)
    return scatter_figure([panel], theme)


def _label(measurement: Measurement) -> str:
    size = measurement.size
    file = f", {human_bytes(size.gzipped_bytes)}" if size else ""
    return f"{label_of(measurement)}{file}, {runtime_name(measurement.runtime)}"
