"""history.csv: one row an epoch."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from segshrink.records import write_text


def write_history(folder: Path, rows: Sequence[Mapping[str, float | None]]) -> None:
    """Write `folder/history.csv` anew, whole; None becomes an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(Path(folder) / "history.csv", text.getvalue())
