"""A run's report: the page, the pictures, and the table for terminal and README."""

from functools import partial
from pathlib import Path

from rich.console import RenderableType

from segshrink.progress import Progress
from segshrink.reporting.caption import caption_lines, warning_lines
from segshrink.reporting.drawing import write_pages
from segshrink.reporting.headline import headline
from segshrink.reporting.page import report_page
from segshrink.reporting.plots import (
    Plot,
    class_iou_plot,
    cost_plot,
    precision_recall_plot,
    quality_latency_plot,
    training_plot,
)
from segshrink.reporting.run_records import RunRecords, read_run
from segshrink.reporting.side_by_side import side_plots
from segshrink.reporting.table import results_table
from segshrink.reporting.table_rendering import markdown_summary, terminal_summary

_PLOTS = ("quality_latency", "cost", "class_iou", "precision_recall", "training")


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
    folder = records.folder / "report"
    return write_pages(
        folder,
        number_plots(records),
        partial(report_page, records),
        samples=side_plots(records),
        known=[
            *(f"{stem}.png" for stem in _PLOTS),
            *(path.name for path in folder.glob("sample_[0-9][0-9].png")),
        ],
        progress=progress,
    )


def number_plots(records: RunRecords) -> list[Plot]:
    """The plots that the records suffice for, in the order of the page."""
    plots = [
        quality_latency_plot(records),
        cost_plot(records),
        class_iou_plot(records),
        precision_recall_plot(records),
        training_plot(records.histories),
    ]
    return [plot for plot in plots if plot is not None]


def summary_table(run_folder: Path | str) -> RenderableType:
    """The result for the terminal: sentence, table, small print, what to doubt.

    Raises:
        RunFolderError: if the folder has no measurements, or a record is unreadable.
    """
    records = read_run(run_folder)
    return terminal_summary(
        headline(records).sentences[:1],
        [results_table(records)],
        caption_lines(records),
        warning_lines(records),
    )


def markdown_table(run_folder: Path | str) -> str:
    """The table with its caption in Markdown, for a README; ends with a line break.

    Raises:
        RunFolderError: if the folder has no measurements, or a record is unreadable.
    """
    records = read_run(run_folder)
    return markdown_summary(
        (), [results_table(records)], caption_lines(records), warning_lines(records)
    )
