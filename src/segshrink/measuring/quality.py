"""Quality of a model file on whole images it was not trained on."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from segshrink.data import AnnotatedImage, Classes, Part
from segshrink.data.trained_bands import part_as_trained
from segshrink.errors import ModelError, SegshrinkWarning, UsageError
from segshrink.metrics import ConfusionMatrix, ScoreHistograms
from segshrink.progress import Progress, SilentProgress
from segshrink.records.measurement import ImageQuality, Quality
from segshrink.records.metadata import bands_of
from segshrink.runtimes import Artifact, gives_classes, predict_image

OnScores = Callable[[np.ndarray, np.ndarray], None]
OnImage = Callable[[int, AnnotatedImage, np.ndarray, np.ndarray], None]


def measure_quality(
    artifact: Artifact,
    part: Part,
    classes: Classes,
    *,
    progress: Progress | None = None,
    overlap: float = 0.25,
    on_image: OnImage | None = None,
    on_scores: OnScores | None = None,
) -> Quality:
    """Run a model file over every image of a part and measure its predictions.

    Each image is predicted whole by `predict_image`; every pixel that is not void
    counts once, pixels of all images together. One image is held at a time.

    Args:
        artifact: an opened model file.
        part: images with labels.
        classes: the classes of the data set.
        progress: receives every image.
        overlap: share of a tile that overlaps with the next, as in `predict_image`.
        on_image: called with the index of each image, the image, its labels and the
            predicted classes, both uint8 `(height, width)`; to keep samples.
        on_scores: called with the labels of each image and the probabilities, float32
            `(height, width, classes)`; not for a file that gives classes alone.

    Returns:
        The scores; None where a measure is undefined, as average precision is of a
        file that gives classes alone.

    Raises:
        ModelError: if the file and the data set differ in their number of classes.
        UsageError: if the part is empty.
    """
    part = as_trained(artifact, part)
    order = _checked_order(artifact, part, classes)
    progress = progress or SilentProgress()
    confusion = ConfusionMatrix(classes.num_classes)
    histograms = ScoreHistograms(classes.num_classes)
    scores = None if gives_classes(artifact) else histograms
    by_image = []
    progress.start(f"quality of {artifact.path.name} on {part.name}", len(part))
    for index, image in enumerate(part):
        pixels, labels = image.read()
        logits = ordered(predict_image(artifact, pixels, overlap), order)
        predictions = logits.argmax(axis=-1).astype(np.uint8)
        own = ConfusionMatrix(classes.num_classes)
        own.update(labels, predictions)
        confusion.add(own)
        by_image.append(image_quality(index, image, own))
        if scores is not None:
            probabilities = softmax(logits)
            scores.update(labels, probabilities)
            if on_scores is not None:
                on_scores(labels, probabilities)
        if on_image is not None:
            on_image(index, image, labels, predictions)
        progress.advance(miou=confusion.mean_iou())
    progress.finish()
    return quality_of(part, classes, confusion, by_image, scores)


def _checked_order(
    artifact: Artifact, part: Part, classes: Classes
) -> tuple[int, ...] | None:
    order = class_order(artifact, classes)
    require_same_bands(artifact.path, artifact.num_bands, part)
    if len(part) == 0:
        raise UsageError(f"the part {part.name!r} has no images to measure on.")
    return order


def class_order(artifact: Artifact, classes: Classes) -> tuple[int, ...] | None:
    """Index of each class of the data in the logits of a file; None if it is equal.

    Classes are matched by the names that the file says. If it says none, or names of
    which the data have not the same, they are taken to have the data's order; the
    latter is warned of.

    Raises:
        ModelError: if the numbers of classes differ.
    """
    if artifact.num_classes != classes.num_classes:
        raise ModelError(
            f"{artifact.path}: gives {artifact.num_classes} classes, but the data set "
            f"has {classes.num_classes} ({', '.join(classes.names)}). Measure it on "
            "the data it was trained for."
        )
    said = artifact.metadata.classes if artifact.metadata else None
    theirs = tuple(each.name for each in said or ())
    if not theirs or theirs == classes.names:
        return None
    if sorted(theirs) == sorted(classes.names):
        return tuple(theirs.index(name) for name in classes.names)
    warnings.warn(
        f"{artifact.path}: its classes are {', '.join(theirs)}, those of the data set "
        f"{', '.join(classes.names)}. They are taken for each other in this order; if "
        "that is wrong, so are the scores.",
        SegshrinkWarning,
        stacklevel=2,
    )
    return None


def ordered(logits: np.ndarray, order: tuple[int, ...] | None) -> np.ndarray:
    """Logits `(..., classes)` in the order of `class_order`."""
    return logits if order is None else logits[..., list(order)]


def as_trained(artifact: Artifact, part: Part) -> Part:
    """The part with the grey levels that the file says; see `part_as_trained`."""
    return part_as_trained(part, bands_of(artifact.metadata))


def require_same_bands(path: Path, num_bands: int, part: Part) -> None:
    """Check that a model takes images of as many bands as a part has.

    Args:
        path: the model's file.
        num_bands: bands that the model takes.
        part: the images.

    Raises:
        ModelError: if the numbers differ.
    """
    if num_bands != part.num_bands:
        raise ModelError(
            f"{path}: takes images of {num_bands} bands, but those of the {part.name} "
            f"part have {part.num_bands}. Name as many with `bands: {{use: [...]}}` in "
            "dataset.yaml, or take a model that was trained on these."
        )


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, float32, without overflow."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=-1, keepdims=True)
    return shifted


def quality_of(
    part: Part,
    classes: Classes,
    confusion: ConfusionMatrix,
    by_image: Sequence[ImageQuality],
    scores: ScoreHistograms | None = None,
) -> Quality:
    """The record of scores on a part.

    Args:
        part: the images.
        classes: the classes of the data set.
        confusion: of the pixels of all images.
        by_image: scores of the images, in any order.
        scores: how sure the predictions were; None for predictions without scores.
    """
    measures = confusion.as_record(classes.names)
    found = scores.average_precision if scores else [np.nan] * classes.num_classes
    average_precision = [_or_none(value) for value in found]
    defined = [value for value in average_precision if value is not None]
    plain = measures | {
        "part": part.name,
        "images": len(part),
        "classes": [
            of_class | {"average_precision": value}
            for of_class, value in zip(
                measures["classes"], average_precision, strict=True
            )
        ],
        "mean_average_precision": float(np.mean(defined)) if defined else None,
        "curves": scores.as_curves(classes.names) if scores else {},
        "confusion": confusion.counts.tolist(),
        # Images without any valid pixel have no mIoU; they come last.
        "by_image": sorted(
            by_image,
            key=lambda each: (each.mean_iou is None, each.mean_iou, each.index),
        ),
    }
    return Quality.parse(plain, where=part.name)


def image_quality(
    index: int, image: AnnotatedImage, confusion: ConfusionMatrix
) -> ImageQuality:
    """Scores of one image.

    Args:
        index: its place in the part.
        image: the image.
        confusion: of its pixels.
    """
    true, predicted = confusion.true_pixels, confusion.predicted_pixels
    right = confusion.counts.diagonal()
    return ImageQuality(
        index=index,
        image=image.name,
        scene=image.scene,
        mean_iou=_or_none(confusion.mean_iou()),
        pixel_accuracy=_or_none(confusion.pixel_accuracy),
        counts=tuple(
            (int(c), int(true[c]), int(predicted[c]), int(right[c]))
            for c in np.flatnonzero(true + predicted)
        ),
    )


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
