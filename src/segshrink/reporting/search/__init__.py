"""The report of a search: it reads `search.json` of a folder, and nothing else."""

from segshrink.reporting.search.reading import is_search, read_search
from segshrink.reporting.search.report import (
    markdown_search_table,
    search_table,
    write_search_report,
)

__all__ = [
    "is_search",
    "markdown_search_table",
    "read_search",
    "search_table",
    "write_search_report",
]
