#!/usr/bin/env python3
"""Divide the logits of a model file by temperatures, and measure it on patches.

Classes stay the same; what depends on how sure the network is, does not. Measured on
the patches that choose the epoch of a training run, and on those of the figures.

Usage: scripts/temperatures.py OUT.json FILE DATA SPLIT.json
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

TEMPERATURES = (1.0, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1)
MEASURES = {
    "precision_at_half": "precision",
    "recall_at_half": "recall",
    "soft_jaccard": "soft Jaccard",
}


def main() -> None:
    from segshrink.data import open_patch_dataset, open_patches, stretch_channels
    from segshrink.runtimes import load_artifact

    out, file, data, split = sys.argv[1:]
    artifact = load_artifact(file)
    chosen_by = open_patch_dataset(data, split).val
    patches = open_patches(data, Path(split))
    stretched = ((stretch_channels(image), own) for image, own in patches.iter_val())
    rows = {
        "chosen_by": _measured(artifact, (x.read() for x in chosen_by), patches),
        "figures": _measured(artifact, stretched, patches),
    }
    Path(out).write_text(json.dumps(rows, indent=1) + "\n")


def _measured(
    artifact: object, pairs: Iterable[tuple[np.ndarray, np.ndarray]], patches: object
) -> dict[str, object]:
    """Measures by temperature, and how many patches they are of."""
    from segshrink.measuring.random_patch import PatchScores
    from segshrink.runtimes import predict_image

    classes, pairs = patches.images.classes, list(pairs)
    scores = {
        t: PatchScores(classes.num_classes, patches.void_label) for t in TEMPERATURES
    }
    for image, labels in pairs:
        logits = predict_image(artifact, image)
        for temperature, sums in scores.items():
            sums.update(labels, logits / temperature)
    rows = [
        {"temperature": temperature}
        | {
            key: round(getattr(sums.as_record(classes.names), key), 4)
            for key in MEASURES
        }
        for temperature, sums in scores.items()
    ]
    return {"patches": len(pairs), "rows": rows}


def temperatures_table(path: Path) -> str:
    """Both parts beside each other, as Markdown."""
    record = json.loads(path.read_text())
    parts = [record["figures"], record["chosen_by"]]
    head = [
        f"{name} ({part['patches']})" for part in parts for name in MEASURES.values()
    ]
    lines = [
        "| temperature | " + " | ".join(head) + " |",
        "|---|" + len(head) * "---:|",
    ]
    for rows in zip(*(part["rows"] for part in parts), strict=True):
        cells = [f"{row[key]:.4f}" for row in rows for key in MEASURES]
        lines.append(f"| {rows[0]['temperature']:g} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
