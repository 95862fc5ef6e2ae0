"""A search's report: the page, the pictures, and the table for the terminal."""

from dataclasses import replace
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from segshrink.progress import Progress, SilentProgress
from segshrink.records import write_text
from segshrink.records.search import SearchRecord
from segshrink.reporting.drawing import write_plot
from segshrink.reporting.plots import Plot
from segshrink.reporting.search.caption import note_lines, warning_lines
from segshrink.reporting.search.headline import search_headline
from segshrink.reporting.search.naming import shortened
from segshrink.reporting.search.page import search_page
from segshrink.reporting.search.plots import (
    front_plot,
    history_plot,
    importance_plot,
    parallel_plot,
)
from segshrink.reporting.search.reading import read_search
from segshrink.reporting.search.table import top_trials, trials_table, values_table
from segshrink.reporting.table import Table
from segshrink.reporting.table_rendering import (
    TerminalTable,
    markdown_rows,
    markdown_text,
)

_STEMS = ("history", "front", "importance", "parallel")
# Trials whose values stand side by side.
_MOST_IN_TERMINAL = 3
_LONGEST_CELL = 36
_LONGEST_TEXT = 160


def write_search_report(folder: Path | str, progress: Progress | None = None) -> Path:
    """Write `report/*.png` and `report/index.html` into the folder of a search.

    Each file is written whole or not at all, the page last. Pictures of an earlier
    report that this one does not have are removed.

    Args:
        folder: a folder with the `search.json` of `segshrink search`.
        progress: told of every picture.

    Returns:
        Path of the page, a single file below 5 MB that loads nothing else.

    Raises:
        RunFolderError: if there is no record of a search, or it is unreadable.
    """
    progress = progress or SilentProgress()
    search = read_search(folder)
    report = search.folder / "report"
    plots = search_plots(search.record)
    progress.start("report", len(plots) + 1)
    try:
        drawn = []
        for plot in plots:
            drawn.append(write_plot(plot, report))
            progress.advance()
        for stem in set(_STEMS) - {plot.stem for plot in plots}:
            (report / f"{stem}.png").unlink(missing_ok=True)
        page = report / "index.html"
        write_text(page, search_page(search, drawn))
        progress.advance()
    finally:
        progress.finish()
    return page


def search_plots(record: SearchRecord) -> list[Plot]:
    """The plots that the record suffices for, in the order of the page."""
    plots = [
        history_plot(record),
        front_plot(record),
        importance_plot(record),
        parallel_plot(record),
    ]
    return [plot for plot in plots if plot is not None]


def search_table(folder: Path | str) -> RenderableType:
    """What was found for the terminal: sentences, tables, small print, warnings.

    The tables are the front or the ten best trials, and the values of what is chosen.

    Raises:
        RunFolderError: if there is no record of a search, or it is unreadable.
    """
    record = read_search(folder).record
    found = search_headline(record)
    parts: list[RenderableType] = [Text(sentence) for sentence in found.sentences]
    if record.trials:
        trials = trials_table(record, top_trials(record), with_values=False)
        parts.append(TerminalTable(_with_short_cells(trials)))
    values = values_table(record, with_ranges=False, most=_MOST_IN_TERMINAL)
    if values:
        parts.append(TerminalTable(_with_short_cells(values)))
    warnings = warning_lines(record)
    small_print = Text("\n".join(note_lines(record)), style="dim")
    parts.append(Padding(small_print, (0, 0, 1 if warnings else 0, 0)))
    parts += [Text(f"Warning: {line}", style="yellow") for line in warnings]
    return Group(*parts)


def _with_short_cells(table: Table) -> Table:
    """Long names and reasons cut, which would press all else together."""
    most = [
        _LONGEST_TEXT if column.is_wrapped else _LONGEST_CELL
        for column in table.columns
    ]
    columns = tuple(
        replace(column, heading=shortened(column.heading, _LONGEST_CELL))
        for column in table.columns
    )
    rows = tuple(
        replace(row, cells=tuple(map(shortened, row.cells, most))) for row in table.rows
    )
    return Table(columns, rows)


def markdown_search_table(folder: Path | str) -> str:
    """The best trials and their values in Markdown, with notes; ends with a line break.

    Raises:
        RunFolderError: if there is no record of a search, or it is unreadable.
    """
    record = read_search(folder).record
    parts = [markdown_text(search_headline(record).sentences[0])]
    if record.trials:
        trials = trials_table(record, top_trials(record), with_values=False)
        parts.append(markdown_rows(trials))
    values = values_table(record, with_ranges=True)
    if values:
        parts.append(markdown_rows(values))
    parts.append(" ".join(markdown_text(line) for line in note_lines(record)))
    parts += [f"**Warning:** {markdown_text(x)}" for x in warning_lines(record)]
    return "\n\n".join(parts) + "\n"
