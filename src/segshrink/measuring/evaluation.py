"""Quality in detail: by scene and image, at borders, and what is taken for what."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segshrink.data import AnnotatedImage, Classes, Part
from segshrink.data.classes import IGNORE_INDEX
from segshrink.measuring.quality import measure_quality
from segshrink.objectives import BoundaryIoU, ConfusionMatrix
from segshrink.progress import Progress, SilentProgress
from segshrink.records import atomic_write
from segshrink.runtimes import Artifact, classes_of_image

_GAP_PX = 8
_WRONG = (213, 94, 0)


def evaluate_artifact(
    artifact: Artifact,
    part: Part,
    classes: Classes,
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """What `measure_quality` says, and more of it.

    Args:
        artifact: an opened model file.
        part: images with labels.
        classes: the classes of the data set.
        progress: told of every image.

    Returns:
        The record of `measure_quality` with, as plain data, `"confusion"` (pixels by
        true class, then by predicted class), `"boundary_iou"` (see `BoundaryIoU`),
        `"scenes"` in the order of the data set, and `"by_image"`, worst first; mean IoU
        and pixel accuracy of each, None where undefined.

    Raises:
        ModelError, UsageError: as `measure_quality`.
    """
    total = ConfusionMatrix(classes.num_classes)
    borders = BoundaryIoU(classes.num_classes)
    scenes: dict[str, ConfusionMatrix] = {}
    counted: dict[str, int] = {}
    by_image: list[dict[str, Any]] = []

    def look(
        index: int, image: AnnotatedImage, labels: np.ndarray, predictions: np.ndarray
    ) -> None:
        own = ConfusionMatrix(classes.num_classes)
        own.update(labels, predictions)
        borders.update(labels, predictions)
        of_scene = scenes.setdefault(image.scene, ConfusionMatrix(classes.num_classes))
        for sums in (total, of_scene):
            sums.counts += own.counts
        counted[image.scene] = counted.get(image.scene, 0) + 1
        entry = {"index": index, "image": image.name, "scene": image.scene}
        by_image.append(entry | _scores(own))

    quality = measure_quality(artifact, part, classes, progress=progress, on_image=look)
    # Images without any valid pixel have no mIoU; they come last.
    by_image.sort(
        key=lambda entry: (entry["mean_iou"] is None, entry["mean_iou"], entry["index"])
    )
    return quality | {
        "confusion": total.counts.tolist(),
        "boundary_iou": {
            "share": borders.share,
            "mean": _or_none(borders.mean_iou()),
            "classes": [_or_none(value) for value in borders.iou],
        },
        "scenes": [
            {"name": name, "images": counted[name], **_scores(confusion)}
            for name, confusion in scenes.items()
        ],
        "by_image": by_image,
    }


def _scores(confusion: ConfusionMatrix) -> dict[str, float | None]:
    return {
        "mean_iou": _or_none(confusion.mean_iou()),
        "pixel_accuracy": _or_none(confusion.pixel_accuracy),
    }


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def write_worst(
    artifact: Artifact,
    part: Part,
    classes: Classes,
    record: dict[str, Any],
    folder: Path,
    *,
    count: int = 8,
    progress: Progress | None = None,
) -> list[Path]:
    """Pictures of the images with the lowest mean IoU: image, truth, prediction, wrong.

    Args:
        artifact: as for `evaluate_artifact`.
        part: as for `evaluate_artifact`.
        classes: as for `evaluate_artifact`.
        record: what `evaluate_artifact` gave.
        folder: where to write, made if missing.
        count: number of pictures.
        progress: told of every picture.

    Returns:
        The files, worst first.
    """
    progress = progress or SilentProgress()
    worst = [x for x in record["by_image"] if x["mean_iou"] is not None][:count]
    progress.start("worst images", len(worst))
    written = []
    for place, entry in enumerate(worst, 1):
        image, labels = part[entry["index"]].read()
        predictions = classes_of_image(artifact, image)
        name = "".join(x if x.isalnum() or x in "-_" else "_" for x in entry["image"])
        path = folder / f"{place:02}-{name}.png"
        with atomic_write(path) as partial:
            _beside_each_other(image, labels, predictions, classes).save(partial)
        written.append(path)
        progress.advance(miou=entry["mean_iou"])
    progress.finish()
    return written


def _beside_each_other(
    image: np.ndarray, labels: np.ndarray, predictions: np.ndarray, classes: Classes
) -> Image.Image:
    void = labels == IGNORE_INDEX
    grey = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8)
    wrong = np.where(((predictions != labels) & ~void)[..., None], _WRONG, grey // 2)
    shown = np.where(void, IGNORE_INDEX, predictions)
    panels = [
        image,
        classes.colorize(labels),
        classes.colorize(shown),
        wrong.astype(np.uint8),
    ]
    gap = np.full((len(image), _GAP_PX, 3), 255, np.uint8)
    row = [piece for panel in panels for piece in (gap, panel)][1:]
    return Image.fromarray(np.concatenate(row, axis=1))
