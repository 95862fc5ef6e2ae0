"""Confusion matrix of a part of a data set, and the metrics computed from it."""

from collections.abc import Sequence
from typing import NotRequired, Self, TypedDict

import numpy as np

from segshrink.data.classes import IGNORE_INDEX


class ClassScores(TypedDict):
    """Metrics of one class as plain data; None where undefined."""

    name: str
    pixels: int
    precision: float | None
    recall: float | None
    iou: float | None
    dice: float | None
    average_precision: NotRequired[float | None]


class ScoresRecord(TypedDict):
    """Metrics of a part of a data set as plain data; None where undefined."""

    pixels: int
    void_pixels: int
    pixel_accuracy: float | None
    precision: float | None
    recall: float | None
    mean_iou: float | None
    mean_dice: float | None
    classes: list[ClassScores]


class ConfusionMatrix:
    """Counts pixels by true and predicted class, image after image.

    Pixels of label 255 (void) count in no metric; `void_pixels` is their number.
    Metrics are those of all pixels together, not means over images. A metric that
    divides 0 by 0 is nan, and means over classes leave nan out.

    Args:
        num_classes: int in 1 to 255.

    Raises:
        ValueError: if `num_classes` is out of range.

    Example:
        >>> confusion = ConfusionMatrix(2)
        >>> confusion.update(np.array([0, 1, 255]), np.array([0, 0, 1]))
        >>> confusion.iou
        array([0.5, 0. ])
    """

    def __init__(self, num_classes: int) -> None:
        if not 1 <= num_classes <= IGNORE_INDEX:
            raise ValueError(
                f"num_classes must be 1 to {IGNORE_INDEX}, got {num_classes}."
            )
        self.num_classes = num_classes
        self.counts = np.zeros((num_classes, num_classes), np.int64)
        self.void_pixels = 0

    @classmethod
    def from_counts(cls, counts: Sequence[Sequence[int]] | np.ndarray) -> Self:
        """Restore a matrix from its counts; `void_pixels` is 0.

        Args:
            counts: int array `(classes, classes)`, pixels by true class, then by
                predicted class.

        Raises:
            ValueError: if the array is not square.
        """
        array = np.array(counts, np.int64)
        if array.ndim != 2 or array.shape[0] != array.shape[1]:
            raise ValueError(f"counts must be (classes, classes), got {array.shape}.")
        confusion = cls(len(array))
        confusion.counts = array
        return confusion

    def update(self, labels: np.ndarray, predictions: np.ndarray) -> None:
        """Count the pixels of one or more images.

        Args:
            labels: int array of any shape, class index or 255 for void.
            predictions: int array of the same shape, class indices.

        Raises:
            ValueError: if the shapes differ, or a value is not a class.
        """
        labels, predictions = np.asarray(labels), np.asarray(predictions)
        self._check(labels, predictions)
        void = labels == IGNORE_INDEX
        # Counting void as one more true class is faster than selecting the rest.
        rows = np.where(void, self.num_classes, labels).astype(np.intp)
        cells = (rows * self.num_classes + predictions).ravel()
        size = (self.num_classes + 1) * self.num_classes
        counts = np.bincount(cells, minlength=size).reshape(-1, self.num_classes)
        self.counts += counts[:-1]
        self.void_pixels += int(counts[-1].sum())

    def add(self, other: "ConfusionMatrix") -> None:
        """Add the pixels that another matrix of the same classes has counted."""
        self.counts += other.counts
        self.void_pixels += other.void_pixels

    def _check(self, labels: np.ndarray, predictions: np.ndarray) -> None:
        if labels.shape != predictions.shape:
            raise ValueError(
                "labels and predictions must have the same shape, got "
                f"{labels.shape} and {predictions.shape}."
            )
        for name, values, also in (
            ("labels", labels[labels != IGNORE_INDEX], f" or {IGNORE_INDEX} for void"),
            ("predictions", predictions, ""),
        ):
            if values.dtype.kind not in "iu":
                raise ValueError(f"{name} must be integers, got {values.dtype}.")
            if values.size and not 0 <= values.min() <= values.max() < self.num_classes:
                raise ValueError(
                    f"{name} must be 0 to {self.num_classes - 1}{also}, got values "
                    f"from {values.min()} to {values.max()}."
                )

    @property
    def true_pixels(self) -> np.ndarray:
        """Pixels of each class in the labels, int64 `(classes,)`."""
        return self.counts.sum(axis=1)

    @property
    def predicted_pixels(self) -> np.ndarray:
        """Valid pixels predicted as each class, int64 `(classes,)`."""
        return self.counts.sum(axis=0)

    @property
    def pixel_accuracy(self) -> float:
        """Share of valid pixels predicted right, in 0 to 1."""
        return float(_ratio(np.trace(self.counts), self.counts.sum()))

    @property
    def precision(self) -> np.ndarray:
        """Share right among the pixels predicted as each class, `(classes,)`."""
        return _ratio(self.counts.diagonal(), self.predicted_pixels)

    @property
    def recall(self) -> np.ndarray:
        """Share found of the pixels of each class, `(classes,)`."""
        return _ratio(self.counts.diagonal(), self.true_pixels)

    @property
    def iou(self) -> np.ndarray:
        """Intersection over union of each class, `(classes,)`; Jaccard index."""
        right = self.counts.diagonal()
        return _ratio(right, self.true_pixels + self.predicted_pixels - right)

    @property
    def dice(self) -> np.ndarray:
        """Dice coefficient of each class, `(classes,)`; F1 score."""
        right = self.counts.diagonal()
        return _ratio(2 * right, self.true_pixels + self.predicted_pixels)

    def mean_iou(self, without: int | None = None) -> float:
        """Mean IoU over the classes that occur in the labels or the predictions.

        Args:
            without: index of a class, such as background, to leave out of the mean.
                Its pixels still count against the other classes.

        Returns:
            Mean in 0 to 1, nan if no class occurs.

        Raises:
            ValueError: if `without` is not a class.
        """
        if without is None:
            return _mean(self.iou)
        if not 0 <= without < self.num_classes:
            raise ValueError(
                f"without must be 0 to {self.num_classes - 1}, got {without}."
            )
        return _mean(np.delete(self.iou, without))

    def as_record(self, names: Sequence[str]) -> ScoresRecord:
        """Metrics as plain data for JSON; None where undefined.

        `precision` and `recall` are means over the classes for which they are defined
        (macro averages); `mean_iou` and `mean_dice` over the classes that occur.

        Args:
            names: names of the classes in the order of their indices.

        Raises:
            ValueError: if the number of names is not the number of classes.
        """
        if len(names) != self.num_classes:
            raise ValueError(
                f"names must hold {self.num_classes} class names, got {len(names)}."
            )
        return {
            "pixels": int(self.counts.sum()),
            "void_pixels": self.void_pixels,
            "pixel_accuracy": _or_none(self.pixel_accuracy),
            "precision": _or_none(_mean(self.precision)),
            "recall": _or_none(_mean(self.recall)),
            "mean_iou": _or_none(self.mean_iou()),
            "mean_dice": _or_none(_mean(self.dice)),
            "classes": self._class_records(names),
        }

    def _class_records(self, names: Sequence[str]) -> list[ClassScores]:
        precision, recall, iou, dice = self.precision, self.recall, self.iou, self.dice
        return [
            {
                "name": name,
                "pixels": int(self.true_pixels[c]),
                "precision": _or_none(precision[c]),
                "recall": _or_none(recall[c]),
                "iou": _or_none(iou[c]),
                "dice": _or_none(dice[c]),
            }
            for c, name in enumerate(names)
        ]


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(part / whole, dtype=np.float64)


def _mean(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
