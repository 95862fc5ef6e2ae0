"""The public protocol on random patches: it leaks, and is for comparison only.

Patches of one image are both trained on and measured on, so the figures say little
about a scene that a model never saw. They exist to be compared with published ones.
"""

from collections.abc import Sequence

import numpy as np

from segshrink.data import IGNORE_INDEX, PatchDataset, stretch_channels
from segshrink.measuring.quality import class_order, ordered, softmax
from segshrink.metrics import ConfusionMatrix
from segshrink.progress import Progress, SilentProgress
from segshrink.records.evaluation import (
    PatchClassQuality,
    PatchQuality,
    RandomPatchQuality,
)
from segshrink.runtimes import Artifact, predict_image, require_scores

PROTOCOL = "random-patch"

_THRESHOLD = 0.5


def measure_random_patch(
    artifact: Artifact,
    patches: PatchDataset,
    *,
    progress: Progress | None = None,
) -> RandomPatchQuality:
    """Measure a model file on the validation patches, as published figures are.

    Each patch is stretched by `stretch_channels`, and void counts as a class: the one
    that the split names, else the first. A patch of another size than the file takes
    is predicted by `predict_image`, as a whole image would be.

    The protocol trains on stretched patches too. A file trained on plain images sees
    colours here that it does not know; and one that was not trained on this very split
    may have seen the patches themselves.

    Args:
        artifact: an opened model file.
        patches: the data set and its split.
        progress: receives every patch.

    Returns:
        The scores, marked as leaking; None where a measure is undefined.

    Raises:
        ModelError: if the file and the data set differ in their number of classes.
        UsageError: if the file gives classes alone, since the protocol counts scores.
    """
    classes, split = patches.images.classes, patches.split
    order = class_order(artifact, classes)
    require_scores(artifact, "this protocol")
    progress = progress or SilentProgress()
    scores = PatchScores(classes.num_classes, patches.void_label)
    progress.start(f"random patches through {artifact.path.name}", len(split.val))
    for patch, labels in patches.iter_val():
        logits = predict_image(artifact, stretch_channels(patch))
        scores.update(labels, ordered(logits, order))
        progress.advance(miou=scores.confusion.mean_iou())
    progress.finish()
    return RandomPatchQuality(
        **dict(scores.as_record(classes.names)),
        protocol=PROTOCOL,
        leaks=True,
        patches=len(split.val),
        patch_px=split.patch_size_px,
        neighbours_in_training=split.neighbours_in_training,
        void_as=classes.names[patches.void_label],
    )


class PatchScores:
    """Sums over patches, from which the measures of the protocol are computed.

    Counts are integers and sums float64, so that neither the order nor the number of
    patches matters; Keras counts in float32.

    Args:
        num_classes: int in 1 to 255.
        void_label: the class that void pixels (label 255) count as.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(self, num_classes: int, void_label: int) -> None:
        if not 0 <= void_label < num_classes:
            raise ValueError(
                f"void_label must be 0 to {num_classes - 1}, got {void_label}."
            )
        self.confusion = ConfusionMatrix(num_classes)
        self.void_pixels = 0
        self._void_label = void_label
        self._above_half = 0  # scores above the threshold
        self._right_above_half = 0
        self._overlap = 0.0  # sum of y * p
        self._probability = 0.0  # sum of p

    def update(self, labels: np.ndarray, logits: np.ndarray) -> None:
        """Count the pixels of one or more patches.

        Args:
            labels: int array of any shape, class index or 255 for void.
            logits: float array of the shape of `labels` and a last axis of classes.

        Raises:
            ValueError: if the shapes do not match or a label is not a class.
        """
        void = labels == IGNORE_INDEX
        labels = np.where(void, self._void_label, labels)
        self.confusion.update(labels, logits.argmax(axis=-1))
        self.void_pixels += int(np.count_nonzero(void))
        scores = softmax(logits)
        own = np.take_along_axis(scores, labels[..., None].astype(np.intp), axis=-1)
        self._above_half += int(np.count_nonzero(scores > _THRESHOLD))
        self._right_above_half += int(np.count_nonzero(own > _THRESHOLD))
        self._overlap += float(own.sum(dtype=np.float64))
        self._probability += float(scores.sum(dtype=np.float64))

    @property
    def precision(self) -> float:
        """Share of the scores above 0.5 that belong to the pixel's class.

        It equals `keras.metrics.Precision` over flattened one-hot labels; 0 without any
        such score.
        """
        return self._right_above_half / self._above_half if self._above_half else 0.0

    @property
    def recall(self) -> float:
        """Share of pixels whose own class scores above 0.5; 0 without pixels.

        It equals `keras.metrics.Recall` over flattened one-hot labels.
        """
        pixels = int(self.confusion.counts.sum())
        return self._right_above_half / pixels if pixels else 0.0

    @property
    def soft_jaccard(self) -> float | None:
        """sum(y p) / (sum(y) + sum(p) - sum(y p)) over all pixels and classes.

        y is one-hot and p the softmax. The measure flatters, since large classes
        outweigh small ones. None without pixels.
        """
        pixels = int(self.confusion.counts.sum())
        if not pixels:
            return None
        return self._overlap / (pixels + self._probability - self._overlap)

    def as_record(self, names: Sequence[str]) -> PatchQuality:
        """The measures as a record; None where undefined.

        Args:
            names: names of the classes in the order of their indices.
        """
        of_counts = self.confusion.as_record(names)
        predicted = self.confusion.predicted_pixels.tolist()
        return PatchQuality(
            pixels=of_counts["pixels"],
            void_pixels=self.void_pixels,
            pixel_accuracy=of_counts["pixel_accuracy"],
            precision_at_half=self.precision,
            recall_at_half=self.recall,
            soft_jaccard=self.soft_jaccard,
            mean_iou=of_counts["mean_iou"],
            classes=tuple(
                PatchClassQuality(**row, predicted_pixels=pixels)
                for row, pixels in zip(of_counts["classes"], predicted, strict=True)
            ),
            confusion=self.confusion.counts.tolist(),
        )
