"""The table of one recipe trained several times, each time measured on other scenes.

A folder of records holds

    quality/*.json   `segshrink evaluate FILE DATA --split ... --json`, one of each file
"""

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from segshrink.metrics import ConfusionMatrix

_WITHOUT = "Unlabeled"


def folds_table(folder: Path) -> str:
    """A line for each record in Markdown, then mean and spread, then all pixels."""
    records = [json.loads(x.read_text()) for x in (folder / "quality").glob("*.json")]
    records.sort(key=lambda record: record["data"]["split"]["test"])
    names = [row["name"] for row in records[0]["quality"]["classes"]]
    confusions = [confusion_of(record["quality"]) for record in records]
    scores = [_scores(confusion, names) for confusion in confusions]
    together = ConfusionMatrix(len(names))
    together.counts = np.sum([x.counts for x in confusions], axis=0)
    head = ["pixel accuracy", "mIoU", f"mIoU without {_WITHOUT}", *names]
    lines = [
        "| measured on | " + " | ".join(head) + " |",
        "|---|" + len(head) * "---:|",
    ]
    for record, row in zip(records, scores, strict=True):
        scenes = " and ".join(record["data"]["split"]["test"])
        lines.append(_line(scenes, [_shown(value) for value in row]))
    spreads = [_spread(column) for column in zip(*scores, strict=True)]
    lines.append(_line("mean ± standard deviation", spreads))
    all_pixels = [_shown(value) for value in _scores(together, names)]
    lines.append(_line("all pixels of all these", all_pixels))
    return "\n".join(lines) + "\n"


def confusion_of(quality: dict[str, Any]) -> ConfusionMatrix:
    """The confusion matrix that a record of quality holds."""
    counts = np.array(quality["confusion"])
    confusion = ConfusionMatrix(len(counts))
    confusion.counts = counts
    return confusion


def _scores(confusion: ConfusionMatrix, names: list[str]) -> list[float]:
    return [
        confusion.pixel_accuracy,
        confusion.mean_iou(),
        confusion.mean_iou(without=names.index(_WITHOUT)),
        *confusion.iou,
    ]


def _spread(column: tuple[float, ...]) -> str:
    return f"{statistics.mean(column):.3f} ± {statistics.stdev(column):.3f}"


def _shown(value: float) -> str:
    return f"{value:.4f}"


def _line(title: str, cells: list[str]) -> str:
    return f"| {title} | " + " | ".join(cells) + " |"
