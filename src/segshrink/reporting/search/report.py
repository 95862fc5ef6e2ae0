"""A search's report: the page, the pictures, and the table for the terminal."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from markupsafe import Markup
from rich.console import RenderableType

from segshrink.progress import Progress
from segshrink.records.search import SearchRecord, Trial
from segshrink.reporting.drawing import DrawnPlot, write_pages
from segshrink.reporting.page import first_that_fits
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.search.caption import note_lines, settings, warning_lines
from segshrink.reporting.search.headline import search_headline
from segshrink.reporting.search.objective import ranked
from segshrink.reporting.search.plots.history import history_plot
from segshrink.reporting.search.plots.importance import importance_plot
from segshrink.reporting.search.plots.parallel import parallel_plot
from segshrink.reporting.search.plots.pareto_front import front_plot
from segshrink.reporting.search.reading import read_search
from segshrink.reporting.search.table import top_trials, trials_table, values_table
from segshrink.reporting.table import Table
from segshrink.reporting.table_rendering import Summary, html_table, page_templates
from segshrink.reporting.units import shortened

_PLOTS = {
    "history.png": history_plot,
    "front.png": front_plot,
    "importance.png": importance_plot,
    "parallel.png": parallel_plot,
}
# So many trials stand in one table; of more, the best do and the others are folded.
_MOST_UNFOLDED = 25
_TOP_OF_MANY = 15
_MOST_ROWS = 500
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
        progress: reports every picture.

    Returns:
        Path of the page, a single file below 5 MB that loads nothing else.

    Raises:
        RunFolderError: if there is no record of a search, or it is unreadable.
    """
    folder = Path(folder)
    record = read_search(folder)
    return write_pages(
        folder / "report",
        search_plots(record),
        partial(search_page, folder, record),
        known=[*_PLOTS],
        progress=progress,
    )


def search_plots(record: SearchRecord) -> list[Plot]:
    """The plots that the record suffices for, in the order of the page."""
    plots = (plot(record) for plot in _PLOTS.values())
    return [plot for plot in plots if plot]


def search_table(folder: Path | str) -> RenderableType:
    """The result for the terminal: sentences, tables, small print, warnings.

    The tables are the Pareto front or the ten best trials, and the values of what is
    chosen.

    Raises:
        RunFolderError: if there is no record of a search, or it is unreadable.
    """
    record = read_search(folder)
    tables = _tables(record, with_ranges=False, most=_MOST_IN_TERMINAL)
    short = [_with_short_cells(table) for table in tables]
    return _summary(record, search_headline(record).sentences, short).for_terminal()


def _summary(
    record: SearchRecord, sentences: Sequence[str], tables: Sequence[Table]
) -> Summary:
    return Summary(sentences, tables, note_lines(record), warning_lines(record))


def _tables(
    record: SearchRecord, *, with_ranges: bool, most: int | None = None
) -> list[Table]:
    """The best trials, and the values of what is chosen."""
    if not record.trials:
        return []
    trials = trials_table(record, top_trials(record), with_values=False)
    values = values_table(record, with_ranges=with_ranges, most=most)
    return [trials, values] if values else [trials]


def _with_short_cells(table: Table) -> Table:
    """Long names and reasons cut, which would press all else together."""
    columns = tuple(
        replace(column, heading=shortened(column.heading, _LONGEST_CELL))
        for column in table.columns
    )
    most = [_LONGEST_TEXT if each.is_wrapped else _LONGEST_CELL for each in columns]
    rows = tuple(
        replace(row, cells=tuple(map(shortened, row.cells, most))) for row in table.rows
    )
    return Table(columns, rows)


def markdown_search_table(folder: Path | str) -> str:
    """The best trials and their values in Markdown, with notes; ends with a line break.

    Raises:
        RunFolderError: if there is no record of a search, or it is unreadable.
    """
    record = read_search(folder)
    tables = _tables(record, with_ranges=True)
    return _summary(record, search_headline(record).sentences[:1], tables).as_markdown()


def search_page(folder: Path, record: SearchRecord, plots: Sequence[DrawnPlot]) -> str:
    """The whole page, below 5 MB as UTF-8.

    Raises:
        RunFolderError: if the page is too large.
    """
    values, in_order = values_table(record, with_ranges=True), ranked(record)
    are_many = len(in_order) > _MOST_UNFOLDED
    shown = top_trials(record, _TOP_OF_MANY) if are_many else in_order
    every = in_order[:_MOST_ROWS] if are_many else ()
    all_label = f"All {len(in_order)} trials"
    if len(in_order) > _MOST_ROWS:
        all_label = f"The best {_MOST_ROWS} of {len(in_order)} trials"
        all_label += "; search.json has all"
    is_front = record.objective == "front"
    which = "along the Pareto front" if is_front else "of the best trial"
    template = page_templates().get_template("search.html")
    text = template.render(
        title=folder.resolve().name,
        headline=search_headline(record),
        warnings=warning_lines(record),
        notes=note_lines(record),
        top=_html(record, shown, "Best trials" if are_many else "Trials"),
        all_trials=_html(record, every, "All trials"),
        all_label=all_label,
        values=html_table(values, "Values of the best trials") if values else None,
        values_title=f"Values {which}",
        plots=plots,
        facts=settings(record),
    )
    remedy = "Reasons or values in search.json are too long to be shown."
    return first_that_fits([text], folder, remedy)


def _html(record: SearchRecord, trials: Sequence[Trial], label: str) -> Markup | None:
    """The table of some trials; `None` where there are none."""
    if not trials:
        return None
    return html_table(trials_table(record, trials, with_values=True), label)
