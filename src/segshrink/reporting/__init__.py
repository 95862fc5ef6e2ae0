"""Reports: they read the records of a run or of a search, and nothing else."""

from typing import TYPE_CHECKING

from segshrink.lazy import lazy_names

if TYPE_CHECKING:
    from segshrink.reporting.report import markdown_table, summary_table, write_report
    from segshrink.reporting.run_records import read_run
    from segshrink.reporting.search.reading import is_search, read_search
    from segshrink.reporting.search.report import (
        markdown_search_table,
        search_table,
        write_search_report,
    )

__all__ = [
    "is_search",
    "markdown_search_table",
    "markdown_table",
    "read_run",
    "read_search",
    "search_table",
    "summary_table",
    "write_report",
    "write_search_report",
]

# A weak device prints figures with `units`, and has no package that draws.
_REPORT, _SEARCH = "segshrink.reporting.report", "segshrink.reporting.search.report"
__getattr__, __dir__ = lazy_names(
    __name__,
    dict.fromkeys(["markdown_table", "summary_table", "write_report"], _REPORT)
    | {"read_run": "segshrink.reporting.run_records"}
    | dict.fromkeys(["is_search", "read_search"], "segshrink.reporting.search.reading")
    | dict.fromkeys(
        ["markdown_search_table", "search_table", "write_search_report"], _SEARCH
    ),
)
