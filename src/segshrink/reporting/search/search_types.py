"""A folder of a search and its record, as the report reads it."""

from dataclasses import dataclass
from pathlib import Path

from segshrink.records.search import SearchRecord


@dataclass(frozen=True)
class Search:
    """A folder of a search and its record."""

    folder: Path
    record: SearchRecord
