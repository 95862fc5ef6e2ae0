"""Average precision over any number of pixels in a fixed amount of memory."""

from collections.abc import Sequence

import numpy as np

from segshrink.data.classes import IGNORE_INDEX

# Range of log(p / (1 - p)) for p in float32, from its smallest positive number to its
# largest below 1. Scores of exactly 0 and 1 fall into the outermost bins.
_LOWEST_LOGIT = -104.0
_HIGHEST_LOGIT = 17.0
_CHUNK_PIXELS = 1 << 18
# A softmax in float32 may exceed 1 by rounding.
_ROUNDING = 1e-5


class ScoreHistograms:
    """Histograms of the scores of each class, on its pixels and on all others.

    From them come average precision and precision-recall curves, one class against
    the rest, as `sklearn.metrics.average_precision_score` has them: no interpolation,
    equal scores are passed at once. The bins are even in log(p / (1 - p)), so that
    scores crowded against 0 or 1 are still distinguished. Scores in one bin count as
    equal; by default they lie within 0.002 of each other on that scale. Average
    precision therefore equals scikit-learn's where scores are equal or further apart
    than that, and is within 1e-3 of it for a class of 1000 pixels or more. The
    exception are scores that hardly differ at all: 2.2e-3 was seen where they spread
    by half a unit on that scale.

    Void pixels (label 255) do not count. Memory is `16 * num_classes * bins`
    bytes, 1 MiB per class by default.

    Args:
        num_classes: int > 0.
        bins: int >= 2, bins per class.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(self, num_classes: int, bins: int = 1 << 16) -> None:
        if not 1 <= num_classes <= IGNORE_INDEX or bins < 2:
            raise ValueError(
                f"num_classes must be 1 to {IGNORE_INDEX} and bins at least 2, got "
                f"{num_classes} and {bins}."
            )
        self.num_classes = num_classes
        self.bins = bins
        self._own = np.zeros((num_classes, bins), np.int64)  # pixels of the class
        self._all = np.zeros((num_classes, bins), np.int64)  # all valid pixels

    def update(self, labels: np.ndarray, probabilities: np.ndarray) -> None:
        """Count the scores of one or more images.

        Args:
            labels: int array of any shape, class index or 255 for void.
            probabilities: float array of the shape of `labels` and a last axis of
                classes, in 0 to 1 (softmax, not logits).

        Raises:
            ValueError: if the shapes do not match, a label is not a class, or a score
                is not a probability.
        """
        labels = np.asarray(labels)
        probabilities = np.asarray(probabilities, dtype=np.float32)
        self._check(labels, probabilities)
        labels = labels.reshape(-1)
        scores = probabilities.reshape(-1, self.num_classes)
        for start in range(0, labels.size, _CHUNK_PIXELS):
            chunk = slice(start, start + _CHUNK_PIXELS)
            self._count(labels[chunk], scores[chunk])

    def _check(self, labels: np.ndarray, probabilities: np.ndarray) -> None:
        if probabilities.shape != (*labels.shape, self.num_classes):
            raise ValueError(
                f"probabilities must have the shape of the labels and a last axis of "
                f"{self.num_classes} classes, got {probabilities.shape} for labels of "
                f"shape {labels.shape}."
            )
        if not labels.size:
            return
        of_classes = (labels >= 0) & (labels < self.num_classes)
        if labels.dtype.kind not in "iu" or not (
            of_classes.all() or (of_classes | (labels == IGNORE_INDEX)).all()
        ):
            raise ValueError(
                f"labels must be integers 0 to {self.num_classes - 1} or "
                f"{IGNORE_INDEX} for void, got {labels.dtype} from {labels.min()} to "
                f"{labels.max()}."
            )
        # nan fails both comparisons.
        low, high = probabilities.min(), probabilities.max()
        if not (low >= 0 and high <= 1 + _ROUNDING):
            raise ValueError(
                f"probabilities must be within 0 to 1, got {low} to {high}. Pass the "
                "softmax of logits."
            )

    def _count(self, labels: np.ndarray, scores: np.ndarray) -> None:
        valid = labels != IGNORE_INDEX
        if not valid.all():
            labels, scores = labels[valid], scores[valid]
        cells = self._bin(scores)
        cells += np.arange(self.num_classes) * self.bins
        own = np.take_along_axis(cells, labels[:, None].astype(np.intp), axis=1)
        size = self._all.size
        self._all += np.bincount(cells.ravel(), minlength=size).reshape(self._all.shape)
        self._own += np.bincount(own.ravel(), minlength=size).reshape(self._own.shape)

    def _bin(self, scores: np.ndarray) -> np.ndarray:
        """Bin of each score, intp in 0 to bins - 1."""
        with np.errstate(divide="ignore"):
            # 1 - p is exact in float32 for p >= 1/2, so the scale is fine up to 1.
            logits = np.log(scores / np.maximum(1 - scores, 0))
        logits -= _LOWEST_LOGIT
        logits *= self.bins / (_HIGHEST_LOGIT - _LOWEST_LOGIT)
        return np.clip(logits, 0, self.bins - 1, out=logits).astype(np.intp)

    @property
    def average_precision(self) -> np.ndarray:
        """Average precision of each class, float64 `(classes,)`; nan without pixels."""
        return np.array([self._average_precision(c) for c in range(self.num_classes)])

    def _average_precision(self, class_index: int) -> float:
        precision, recall = self.precision_recall_curve(class_index)
        if not precision.size:
            return float("nan")
        # The steps of recall add up to 1 only within rounding.
        return min(1.0, float(-np.sum(np.diff(recall) * precision[:-1])))

    def precision_recall_curve(self, class_index: int) -> tuple[np.ndarray, np.ndarray]:
        """Precision and recall of one class for every threshold, from low to high.

        Recall falls from 1 to 0; the last point is precision 1 at recall 0, as in
        scikit-learn.

        Args:
            class_index: int in 0 to num_classes - 1.

        Returns:
            Two float64 arrays of equal length in 0 to 1; empty without pixels of the
            class, where recall is undefined.
        """
        own = self._own[class_index]
        if not own.any():
            return np.empty(0), np.empty(0)
        everything = self._all[class_index]
        # At the threshold of a bin, all bins from it upwards count as predictions.
        hits = np.cumsum(own[::-1])[::-1][everything > 0]
        predicted = np.cumsum(everything[::-1])[::-1][everything > 0]
        return np.append(hits / predicted, 1.0), np.append(hits / own.sum(), 0.0)

    def as_curves(
        self, names: Sequence[str], points: int = 101
    ) -> dict[str, dict[str, list[float]]]:
        """Precision-recall curves of the classes that have pixels, as plain data.

        Args:
            names: names of the classes in the order of their indices.
            points: int >= 2, points per curve, at even steps of recall from 0 to 1;
                each has the precision of the highest threshold that reaches its recall.

        Returns:
            `{name: {"precision": [...], "recall": [...]}}`, recall rising.

        Raises:
            ValueError: if the number of names is not the number of classes, or there
                are less than 2 points.
        """
        if len(names) != self.num_classes or points < 2:
            raise ValueError(
                f"names must hold {self.num_classes} class names and points be at "
                f"least 2, got {len(names)} names and {points} points."
            )
        curves = {name: self.precision_recall_curve(c) for c, name in enumerate(names)}
        return {
            name: _at_even_recall(precision, recall, points)
            for name, (precision, recall) in curves.items()
            if precision.size
        }


def _at_even_recall(
    precision: np.ndarray, recall: np.ndarray, points: int
) -> dict[str, list[float]]:
    rising_precision, rising_recall = precision[::-1], recall[::-1]
    grid = np.linspace(0, 1, points)
    reached = np.searchsorted(rising_recall, grid, side="left")
    return {
        "precision": rising_precision[reached].tolist(),
        "recall": grid.tolist(),
    }
