"""Reports: they read the records of a run or of a search, and nothing else."""

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
