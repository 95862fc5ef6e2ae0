"""Quality in detail: by scene and image, at boundaries, and confusion."""

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from segshrink.data import AnnotatedImage, Classes, Part
from segshrink.data.classes import IGNORE_INDEX
from segshrink.data.pictures import as_rgb
from segshrink.measuring.quality import as_trained, measure_quality
from segshrink.metrics import BoundaryIoU, ConfusionMatrix, Reliability
from segshrink.progress import Progress, SilentProgress
from segshrink.records import atomic_write
from segshrink.records.evaluation import (
    BoundaryQuality,
    CalibrationQuality,
    DetailedQuality,
    ReliabilityBin,
    SceneQuality,
)
from segshrink.runtimes import Artifact, classes_of_image

_GAP_PX = 8
_WRONG = (213, 94, 0)


def evaluate_artifact(
    artifact: Artifact,
    part: Part,
    classes: Classes,
    *,
    progress: Progress | None = None,
) -> DetailedQuality:
    """Measure the quality of a file, also by scene, image and boundary.

    Args:
        artifact: an opened model file.
        part: images with labels.
        classes: the classes of the data set.
        progress: receives every image.

    Returns:
        The scores of `measure_quality` with those of the scenes, in the order of the
        data set, and of the images, worst first; None where a measure is undefined.

    Raises:
        ModelError, UsageError: as `measure_quality`.
    """
    details, reliability = _Details(classes), Reliability()
    quality = measure_quality(
        artifact,
        part,
        classes,
        progress=progress,
        on_image=details.add,
        on_scores=reliability.update,
    )
    return DetailedQuality(
        **dict(quality),
        boundary_iou=BoundaryQuality(
            share=details.boundaries.share,
            mean=_or_none(details.boundaries.mean_iou()),
            classes=tuple(_or_none(value) for value in details.boundaries.iou),
        ),
        scenes=tuple(
            SceneQuality(name=name, images=details.images[name], **_scores(confusion))
            for name, confusion in details.scenes.items()
        ),
        calibration=_calibration(reliability),
    )


def _calibration(reliability: Reliability) -> CalibrationQuality | None:
    sums = (reliability.pixels, reliability.right, reliability.confidence)
    bins = [
        ReliabilityBin(
            pixels=int(pixels),
            confidence=min(1.0, float(confidence / pixels)),
            accuracy=float(right / pixels),
        )
        for pixels, right, confidence in zip(*sums, strict=True)
        if pixels
    ]
    if not bins:
        return None
    return CalibrationQuality(expected_error=reliability.expected_error, bins=bins)


class _Details:
    """Sums over images, from which the scores in detail are computed."""

    def __init__(self, classes: Classes) -> None:
        self._num_classes = classes.num_classes
        self.boundaries = BoundaryIoU(classes.num_classes)
        self.scenes: dict[str, ConfusionMatrix] = {}
        self.images: Counter[str] = Counter()

    def add(
        self,
        index: int,
        image: AnnotatedImage,
        labels: np.ndarray,
        predictions: np.ndarray,
    ) -> None:
        """Add the pixels of one image."""
        self.boundaries.update(labels, predictions)
        of_scene = self.scenes.setdefault(
            image.scene, ConfusionMatrix(self._num_classes)
        )
        of_scene.update(labels, predictions)
        self.images[image.scene] += 1


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
    quality: DetailedQuality,
    folder: Path,
    *,
    count: int = 8,
    progress: Progress | None = None,
) -> list[Path]:
    """Write pictures of the worst images: image, truth, prediction and wrong pixels.

    Args:
        artifact: as for `evaluate_artifact`.
        part: as for `evaluate_artifact`.
        classes: as for `evaluate_artifact`.
        quality: result of `evaluate_artifact`.
        folder: folder to write into, created if missing.
        count: number of pictures.
        progress: receives every picture.

    Returns:
        The files, worst first.
    """
    progress = progress or SilentProgress()
    part = as_trained(artifact, part)
    worst = [x for x in quality.by_image if x.mean_iou is not None][:count]
    progress.start("worst images", len(worst))
    written = []
    for place, entry in enumerate(worst, 1):
        image, labels = part[entry.index].read()
        predictions = classes_of_image(artifact, image)
        name = "".join(x if x.isalnum() or x in "-_" else "_" for x in entry.image)
        path = folder / f"{place:02}-{name}.png"
        with atomic_write(path) as partial:
            _side_by_side(image, labels, predictions, classes).save(partial)
        written.append(path)
        progress.advance(miou=entry.mean_iou or 0.0)
    progress.finish()
    return written


def _side_by_side(
    image: np.ndarray, labels: np.ndarray, predictions: np.ndarray, classes: Classes
) -> Image.Image:
    void = labels == IGNORE_INDEX
    grey = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8)
    wrong = np.where(((predictions != labels) & ~void)[..., None], _WRONG, grey // 2)
    shown = np.where(void, IGNORE_INDEX, predictions)
    panels = [
        as_rgb(image),
        classes.colorize(labels),
        classes.colorize(shown),
        wrong.astype(np.uint8),
    ]
    gap = np.full((len(image), _GAP_PX, 3), 255, np.uint8)
    row = [piece for panel in panels for piece in (gap, panel)][1:]
    return Image.fromarray(np.concatenate(row, axis=1))
