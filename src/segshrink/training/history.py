"""history.csv: one row per epoch."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from segshrink.records import write_text

HistoryRow: TypeAlias = dict[str, float | None]
"""Columns of one epoch: `epoch`, `loss`, each part of the loss by its name, `val_loss`
(only with a loss on labels), `val_miou`, `val_pixel_accuracy`, `learning_rate` and
`seconds`. None stands where the epoch was not validated."""


def write_history(folder: Path, rows: Sequence[HistoryRow]) -> None:
    """Replace `folder/history.csv` atomically; None becomes an empty cell.

    A column that a row lacks is an empty cell too: a run may resume from the checkpoint
    of a version that did not write it.
    """
    text = io.StringIO()
    # The last row is by the newest version, so its columns are in the right order.
    columns = dict.fromkeys(name for row in reversed(rows) for name in row)
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(Path(folder) / "history.csv", text.getvalue())
