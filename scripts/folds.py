"""The tables of a recipe that is run several times, each time tested on other scenes.

A folder of records holds, by network and split,

    quality/alone/*.json      `segshrink evaluate FILE DATA --split ... --json` of the
                              students that were trained on labels alone
    quality/distilled/*.json  the same of the distilled ones; may be absent
    quality/teacher/*.json    the same of their teachers; may be absent
"""

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from segshrink.metrics import ConfusionMatrix

_WITHOUT = "Unlabeled"


def folds_table(folder: Path) -> str:
    """Teacher and students by split, if there are some; then classes by split."""
    networks = {
        name: _records(folder / "quality" / name)
        for name in ("teacher", "alone", "distilled")
    }
    if not networks["distilled"]:
        return _by_class(networks["alone"])
    return "\n".join([_by_network(networks), "", _by_class(networks["distilled"])])


def _records(folder: Path) -> list[dict[str, Any]]:
    records = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    return sorted(records, key=_scenes)


def _scenes(record: dict[str, Any]) -> str:
    return " and ".join(record["data"]["split"]["test"])


def _by_network(networks: dict[str, list[dict[str, Any]]]) -> str:
    """A line in % of mIoU for each split, then mean and spread of each column."""
    lines = [
        "| mIoU in %, measured on | teacher | student alone | student distilled "
        "| over alone | below its teacher |",
        "|---|" + 5 * "---:|",
    ]
    rows = []
    for teacher, alone, distilled in zip(*networks.values(), strict=True):
        of = [
            100 * confusion_of(record["quality"]).mean_iou()
            for record in (teacher, alone, distilled)
        ]
        rows.append((*of, of[2] - of[1], of[0] - of[2]))
        cells = [f"{x:.1f}" for x in rows[-1][:3]] + [f"{x:+.1f}" for x in rows[-1][3:]]
        lines.append(_line(_scenes(distilled), cells))
    columns = list(zip(*rows, strict=True))
    cells = [
        f"{statistics.mean(x):.1f} ± {statistics.stdev(x):.1f}" for x in columns[:3]
    ] + [f"{statistics.mean(x):+.1f} ± {statistics.stdev(x):.1f}" for x in columns[3:]]
    return "\n".join([*lines, _line("mean ± standard deviation", cells)])


def _by_class(records: list[dict[str, Any]]) -> str:
    """A line of scores for each split, then mean and spread, then all pixels."""
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
        lines.append(_line(_scenes(record), [_shown(value) for value in row]))
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
