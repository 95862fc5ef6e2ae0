"""Boundary IoU: intersection over union near the borders of classes."""

import math

import numpy as np

from segshrink.data.classes import IGNORE_INDEX


class BoundaryIoU:
    """Intersection over union of the inner borders of each class, image after image.

    The border of a class is its pixels within d pixels of its contour (with another
    class, void, or the image's edge), with d a share of the image's diagonal. Plain IoU
    hardly depends on the contours of large objects; this one depends on nothing else.
    Counts of all images are summed, as in `ConfusionMatrix`; void does not count.
    Reference: Cheng, Girshick, Dollar, Berg, Kirillov, Boundary IoU: Improving
    Object-Centric Image Segmentation Evaluation, 2021.

    Args:
        num_classes: int > 0.
        share: width of a border as a share of the image's diagonal, > 0; at least one
            pixel.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(self, num_classes: int, share: float = 0.02) -> None:
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, got {num_classes}.")
        if not 0 < share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, got {share}.")
        self.num_classes = num_classes
        self.share = share
        self.intersections = np.zeros(num_classes, np.int64)
        self.unions = np.zeros(num_classes, np.int64)

    def update(self, labels: np.ndarray, predictions: np.ndarray) -> None:
        """Count one image.

        Args:
            labels: int `(height, width)`, class index or 255 for void.
            predictions: int `(height, width)`, class indices.

        Raises:
            ValueError: if the shapes differ or are not those of one image.
        """
        labels, predictions = np.asarray(labels), np.asarray(predictions)
        if labels.ndim != 2 or labels.shape != predictions.shape:
            raise ValueError(
                "labels and predictions must be (height, width) of one image, got "
                f"{labels.shape} and {predictions.shape}."
            )
        width_px = max(1, round(self.share * math.hypot(*labels.shape)))
        valid = labels != IGNORE_INDEX
        for index in range(self.num_classes):
            true, predicted = labels == index, (predictions == index) & valid
            if not (true.any() or predicted.any()):
                continue
            true, predicted = _border(true, width_px), _border(predicted, width_px)
            self.intersections[index] += np.count_nonzero(true & predicted)
            self.unions[index] += np.count_nonzero(true | predicted)

    @property
    def iou(self) -> np.ndarray:
        """Boundary IoU of each class, float `(classes,)`; nan without any border."""
        with np.errstate(invalid="ignore"):
            return self.intersections / self.unions

    def mean_iou(self) -> float:
        """Mean over the classes that have a border; nan if none has."""
        iou = self.iou
        return float(np.nanmean(iou)) if np.isfinite(iou).any() else math.nan


def _border(mask: np.ndarray, width_px: int) -> np.ndarray:
    """Pixels of a mask within `width_px` of its contour."""
    return mask & ~_eroded(mask, width_px)


def _eroded(mask: np.ndarray, width_px: int) -> np.ndarray:
    """Pixels whose whole square of `2 * width_px + 1` is in the mask."""
    padded = np.pad(mask, width_px + 1).astype(np.int32)
    sums = padded.cumsum(axis=0).cumsum(axis=1)
    side = 2 * width_px + 1
    squares = (
        sums[side:, side:]
        - sums[:-side, side:]
        - sums[side:, :-side]
        + sums[:-side, :-side]
    )
    rows, columns = mask.shape
    return squares[:rows, :columns] == side * side
