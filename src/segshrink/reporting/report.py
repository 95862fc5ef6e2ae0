"""A run's report: the page, the pictures, and the table for terminal and README."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import RenderableType

from segshrink.progress import Progress
from segshrink.reporting.caption import caption_lines, warning_lines
from segshrink.reporting.drawing import write_pages
from segshrink.reporting.headline import headline
from segshrink.reporting.page import report_page
from segshrink.reporting.plots.bars import class_iou_plot, cost_plot
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.precision_recall import precision_recall_plot
from segshrink.reporting.plots.quality_latency import quality_latency_plot
from segshrink.reporting.plots.training import training_plot
from segshrink.reporting.run_records import RunRecords, read_run
from segshrink.reporting.side_by_side import side_plots
from segshrink.reporting.table import results_table
from segshrink.reporting.table_rendering import Summary
from segshrink.reporting.verdict import verdict

_PLOTS = {
    "quality_latency.png": quality_latency_plot,
    "cost.png": cost_plot,
    "class_iou.png": class_iou_plot,
    "precision_recall.png": precision_recall_plot,
    "training.png": training_plot,
}


def write_report(run_folder: Path | str, progress: Progress | None = None) -> Path:
    """Write `report/*.png` and `report/index.html` into a run folder.

    Each file is written whole or not at all, the page last. Pictures of an earlier
    report that this one does not have are removed.

    Args:
        run_folder: a folder that `segshrink compress` wrote.
        progress: reports every picture.

    Returns:
        Path of the page, a single file below 5 MB that loads nothing else.

    Raises:
        RunFolderError: if the folder has no measurements, or a record is unreadable.
    """
    records = read_run(run_folder)
    return write_pages(
        records.folder / "report",
        number_plots(records),
        partial(report_page, records),
        samples=side_plots(records),
        known=(*_PLOTS, "sample_[0-9][0-9].png"),
        progress=progress,
    )


def number_plots(records: RunRecords) -> list[Plot]:
    """The plots that the records suffice for, in the order of the page."""
    plots = (plot(records) for plot in _PLOTS.values())
    return [plot for plot in plots if plot]


def summary_table(run_folder: Path | str) -> RenderableType:
    """The result for the terminal: verdict, table, small print, what to doubt.

    Raises:
        RunFolderError: if the folder has no measurements, or a record is unreadable.
    """
    records = read_run(run_folder)
    judged = verdict(records)
    result = headline(records).sentences[:1]
    # One paragraph of judgement, then the figures.
    lines = [" ".join(judged.sentences), *result] if judged else result
    return _summary(records, lines).for_terminal()


def markdown_table(run_folder: Path | str) -> str:
    """The table with its caption in Markdown, for a README; ends with a line break.

    Raises:
        RunFolderError: if the folder has no measurements, or a record is unreadable.
    """
    return _summary(read_run(run_folder), ()).as_markdown()


def _summary(records: RunRecords, sentences: Sequence[str]) -> Summary:
    tables = [results_table(records)]
    return Summary(sentences, tables, caption_lines(records), warning_lines(records))
