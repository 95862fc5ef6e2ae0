"""The metadata that an exported file carries of its model and data."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras

from segshrink._version import __version__
from segshrink.compression.run_folder import data_of_run
from segshrink.data import Dataset
from segshrink.data.layout import PART_NAMES
from segshrink.data.splits import shortened
from segshrink.measuring import (
    count_macs,
)


def data_metadata(dataset: Dataset) -> dict[str, Any]:
    """What a file shall carry of the data that its model was trained on."""
    classes, split = dataset.classes, dataset.split
    # A data set may have thousands of scenes, and the file is to stay small.
    scenes = {part: shortened(names) for part, names in split.parts.items()}
    return {
        "classes": [
            {"name": name, "color": list(color)}
            for name, color in zip(classes.names, classes.colors, strict=True)
        ],
        "data": {"name": dataset.name, "split": split.source, "scenes": scenes},
    }


def other_split(
    path: Path, facts: dict[str, Any] | None, dataset: Dataset
) -> str | None:
    """What to say of a model that was trained under another split of the same data.

    Args:
        path: the model's file.
        facts: what an exported file carries; without, the run folder is asked that
            the file lies in.
        dataset: data as it is divided now.

    Returns:
        A sentence; None if the split is the same, or nothing is known of the data.
    """
    then = (facts or {}).get("data") or _data_of_run(path)
    if not isinstance(then, dict) or then.get("name") != dataset.name:
        return None
    now = data_metadata(dataset)["data"]
    if then.get("scenes") == now["scenes"]:
        return None
    # Of the patches of a protocol it carries the scenes all the same.
    return (
        f"{path}: was trained under another split ({_told(then)}) than this "
        f"({_told(now)}), so that it may know these images. Name its split with "
        "--split or --split-seed."
    )


def _data_of_run(path: Path) -> dict[str, Any] | None:
    for folder in (path.parent, path.parent.parent):
        known = data_of_run(folder)
        if known is not None:
            split = known["split"]
            scenes = {part: shortened(split[part]) for part in PART_NAMES}
            return {"name": known["name"], "split": split["source"], "scenes": scenes}
    return None


def _told(data: dict[str, Any]) -> str:
    return f"{data.get('split')}: trained on {data.get('scenes', {}).get('train')}"


def model_metadata(
    model: keras.Model, height_px: int, width_px: int, *, quantize: str | None
) -> dict[str, Any]:
    """What a file shall carry of its model."""
    return {
        "segshrink": __version__,
        "input": {
            "height": height_px,
            "width": width_px,
            "channels": "RGB",
            "range": [0, 255],
        },
        "output": "logits",
        "precision": quantize or "float32",
        "model": asdict(count_macs(model)),
    }
