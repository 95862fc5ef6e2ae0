"""The report of a search as one HTML page that needs nothing but itself."""

from collections.abc import Sequence
from typing import Any

from segshrink.errors import RunFolderError
from segshrink.records.search import SearchRecord
from segshrink.reporting.drawing import DrawnPlot, plot_content
from segshrink.reporting.page import MOST_PAGE_BYTES
from segshrink.reporting.search.caption import facts, note_lines, warning_lines
from segshrink.reporting.search.headline import search_headline
from segshrink.reporting.search.objective import ranked
from segshrink.reporting.search.search_types import Search
from segshrink.reporting.search.table import top_trials, trials_table, values_table
from segshrink.reporting.table_rendering import html_table, page_templates
from segshrink.reporting.units import human_bytes

# So many trials stand in one table; of more, the best do and the others are folded.
_MOST_UNFOLDED = 25
_TOP_OF_MANY = 15
_MOST_ROWS = 500


def search_page(search: Search, plots: Sequence[DrawnPlot]) -> str:
    """The whole page, below 5 MB as UTF-8.

    Raises:
        RunFolderError: if the page is too large.
    """
    template = page_templates().get_template("search.html")
    page = template.render(_content(search, plots))
    size_bytes = len(page.encode("utf-8"))
    if size_bytes > MOST_PAGE_BYTES:
        raise RunFolderError(
            f"{search.folder}: the report would take {human_bytes(size_bytes)}, more "
            f"than {human_bytes(MOST_PAGE_BYTES)}. Reasons or values in search.json "
            "are too long to be shown."
        )
    return page


def _content(search: Search, plots: Sequence[DrawnPlot]) -> dict[str, Any]:
    record = search.record
    values = values_table(record, with_ranges=True)
    return {
        "title": search.folder.resolve().name,
        "headline": search_headline(record),
        "warnings": warning_lines(record),
        "notes": note_lines(record),
        **_tables(record),
        "values": html_table(values, "Values of the best trials") if values else None,
        "values_title": _values_title(record),
        "plots": plot_content(plots),
        "facts": facts(record),
    }


def _tables(record: SearchRecord) -> dict[str, Any]:
    """Every trial once, or the best of many and all of them folded."""
    in_order = ranked(record)
    if not in_order:
        return {"top": None, "all_trials": None, "all_label": ""}
    are_many = len(in_order) > _MOST_UNFOLDED
    shown = top_trials(record, _TOP_OF_MANY) if are_many else in_order
    every = in_order[:_MOST_ROWS]
    label = f"All {len(in_order)} trials"
    if len(every) < len(in_order):
        label = f"The best {len(every)} of {len(in_order)} trials; search.json has all"
    return {
        "top": _html(record, shown, "Best trials" if are_many else "Trials"),
        "all_trials": _html(record, every, "All trials") if are_many else None,
        "all_label": label,
    }


def _html(record: SearchRecord, trials: Sequence[Any], label: str) -> Any:
    return html_table(trials_table(record, trials, with_values=True), label)


def _values_title(record: SearchRecord) -> str:
    if record.objective == "front":
        return "Values along the front"
    return "Values of the best trial"
