"""history.csv: one row an epoch."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from segshrink.records import write_text


def write_history(folder: Path, rows: Sequence[Mapping[str, float | None]]) -> None:
    """Write `folder/history.csv` anew, whole; None becomes an empty cell.

    A column that a row lacks is an empty cell too: a run may go on from a checkpoint
    of a version that did not know it.
    """
    text = io.StringIO()
    # The last row is the newest version's; its columns are in the right order.
    columns = dict.fromkeys(name for row in reversed(rows) for name in row)
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(Path(folder) / "history.csv", text.getvalue())
