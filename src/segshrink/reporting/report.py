"""A run's report: the page, the pictures, and the table for terminal and README."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from segshrink.progress import Progress, SilentProgress
from segshrink.records import write_text
from segshrink.reporting.caption import caption_lines, warning_lines
from segshrink.reporting.drawing import write_plot, write_png
from segshrink.reporting.headline import headline
from segshrink.reporting.page import report_page
from segshrink.reporting.plots import (
    LIGHT,
    Plot,
    class_iou_plot,
    cost_plot,
    png_bytes,
    precision_recall_plot,
    quality_latency_plot,
    training_plot,
)
from segshrink.reporting.run_records import read_run
from segshrink.reporting.run_types import RunRecords
from segshrink.reporting.side_by_side import side_plots
from segshrink.reporting.table import results_table
from segshrink.reporting.table_rendering import (
    TerminalTable,
    markdown_rows,
    markdown_text,
)


def write_report(run_folder: Path | str, progress: Progress | None = None) -> Path:
    """Write `report/*.png` and `report/index.html` into a run folder.

    Each file is written whole or not at all, the page last. Pictures of an earlier
    report that this one does not have are removed.

    Args:
        run_folder: a folder that `segshrink compress` wrote.
        progress: told of every picture.

    Returns:
        Path of the page, a single file below 5 MB that loads nothing else.

    Raises:
        RunFolderError: if the folder has no measurements, or a record is unreadable.
    """
    progress = progress or SilentProgress()
    records = read_run(run_folder)
    folder = records.folder / "report"
    plots, samples = number_plots(records), side_plots(records)
    progress.start("report", len(plots) + len(samples) + 1)
    try:
        drawn = []
        for plot in plots:
            drawn.append(write_plot(plot, folder))
            progress.advance()
        for sample in samples:
            write_png(folder / f"{sample.stem}.png", png_bytes(sample.draw(LIGHT)))
            progress.advance()
        _remove_stale(folder, [*plots, *samples])
        page = folder / "index.html"
        write_text(page, report_page(records, drawn))
        progress.advance()
    finally:
        progress.finish()
    return page


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


def _remove_stale(folder: Path, plots: Sequence[Plot]) -> None:
    """Remove only names that a report gives, whatever else lies in the folder."""
    current = {f"{plot.stem}.png" for plot in plots}
    known = {
        "quality_latency.png",
        "cost.png",
        "class_iou.png",
        "precision_recall.png",
        "training.png",
        *(path.name for path in folder.glob("sample_[0-9][0-9].png")),
    }
    for name in known - current:
        (folder / name).unlink(missing_ok=True)


def summary_table(run_folder: Path | str) -> RenderableType:
    """The result for the terminal: sentence, table, small print, what to doubt.

    Raises:
        RunFolderError: if the folder has no measurements, or a record is unreadable.
    """
    records = read_run(run_folder)
    small_print = Text("\n".join(caption_lines(records)), style="dim")
    warnings = [
        Text(f"Warning: {line}", style="yellow") for line in warning_lines(records)
    ]
    return Group(
        Text(headline(records).sentences[0]),
        TerminalTable(results_table(records)),
        Padding(small_print, (0, 0, 1 if warnings else 0, 0)),
        *warnings,
    )


def markdown_table(run_folder: Path | str) -> str:
    """The table with its caption in Markdown, for a README; ends with a line break.

    Raises:
        RunFolderError: if the folder has no measurements, or a record is unreadable.
    """
    records = read_run(run_folder)
    warnings = [
        f"**Warning:** {markdown_text(line)}" for line in warning_lines(records)
    ]
    caption = " ".join(markdown_text(line) for line in caption_lines(records))
    return (
        "\n\n".join([markdown_rows(results_table(records)), caption, *warnings]) + "\n"
    )
