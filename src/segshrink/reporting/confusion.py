"""Which class is taken for which: teacher and student as tables of the page."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segshrink.records.measurement import Measurement
from segshrink.reporting.comparison import compare
from segshrink.reporting.run_records import RunRecords
from segshrink.reporting.table import label_of
from segshrink.reporting.verdict import file_to_take

# Of more classes the commonest have their own row and column.
_MOST_CLASSES = 20
# The strongest shade, on which text can still be read.
_STRONGEST = 0.45


@dataclass(frozen=True)
class Cell:
    """A share in per cent as text, its shade in 0 to 1, and the pixels in words."""

    text: str
    shade: float
    title: str
    is_right: bool


@dataclass(frozen=True)
class ConfusionTable:
    """Rows of true classes, columns of predicted classes, for one file."""

    label: str
    names: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def confusion_tables(records: RunRecords) -> tuple[ConfusionTable, ...]:
    """Of the file to take and of its teacher; empty where they were not counted."""
    taken = file_to_take(records)
    if taken is None:
        return ()
    reference = compare(taken, records.measurements).reference
    tables = (_table(each) for each in (reference, taken) if each)
    return tuple(table for table in tables if table)


def _table(measurement: Measurement) -> ConfusionTable | None:
    quality = measurement.quality
    if quality is None or not quality.confusion:
        return None
    names = [each.name for each in quality.classes]
    counts, names = _commonest(np.array(quality.confusion, np.int64), names)
    rows = tuple(_cells(row, place, names) for place, row in enumerate(counts))
    return ConfusionTable(label_of(measurement), tuple(names), rows)


def _commonest(counts: np.ndarray, names: list[str]) -> tuple[np.ndarray, list[str]]:
    """The matrix of the classes with the most pixels, all others as one."""
    if len(names) <= _MOST_CLASSES:
        return counts, names
    order = np.argsort(-(counts.sum(axis=1) + counts.sum(axis=0)), kind="stable")
    place_of = np.full(len(names), _MOST_CLASSES - 1)
    shown = sorted(order[: _MOST_CLASSES - 1])
    place_of[shown] = range(len(shown))
    merged = np.zeros((_MOST_CLASSES, _MOST_CLASSES), np.int64)
    np.add.at(merged, (place_of[:, None], place_of[None, :]), counts)
    return merged, [*(names[place] for place in shown), "all others"]


def _cells(row: np.ndarray, place: int, names: Sequence[str]) -> tuple[Cell, ...]:
    total = int(row.sum())
    cells = []
    for column, count in enumerate(row.tolist()):
        share = count / total if total else 0.0
        title = f"{count:,} of {total:,} pixels of {names[place]} as {names[column]}"
        text = f"{100 * share:.0f}" if total else "–"
        shade = round(_STRONGEST * share, 3)
        cells.append(Cell(text, shade, title, is_right=column == place))
    return tuple(cells)
