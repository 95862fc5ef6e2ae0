"""How well the confidence of predictions fits the share of them that is right."""

import numpy as np
import numpy.typing as npt

_NO_LABEL = 254
_BINS = 15
_HALVINGS = 40
_LEAST, _MOST = 0.02, 50.0


class Reliability:
    """Predictions in bins of their confidence, the probability of the predicted class.

    A bin holds confidences above its lower edge and up to its upper one. Reference: Guo
    et al., On Calibration of Modern Neural Networks, 2017.

    Args:
        bins: number of bins of equal width in [0, 1].

    Attributes:
        pixels: int64 `(bins,)`, predictions in each bin.
        right: int64 `(bins,)`, those of them that are right.
        confidence: float64 `(bins,)`, sum of their confidences.
    """

    def __init__(self, bins: int = _BINS) -> None:
        self._edges = np.linspace(0, 1, bins + 1)[1:-1]
        self.pixels = np.zeros(bins, np.int64)
        self.right = np.zeros(bins, np.int64)
        self.confidence = np.zeros(bins)

    def update(self, labels: np.ndarray, probabilities: np.ndarray) -> None:
        """Count the pixels of one or more images.

        Args:
            labels: integers of any shape; 255 is void, 254 without label: both count
                nothing.
            probabilities: float, of the shape of `labels` and a last axis of classes.
        """
        valid = labels < _NO_LABEL
        chosen = probabilities[valid]
        confidence = chosen.max(axis=-1).astype(np.float64)
        is_right = chosen.argmax(axis=-1) == labels[valid]
        bins, count = np.searchsorted(self._edges, confidence), len(self.pixels)
        self.pixels += np.bincount(bins, minlength=count)
        self.right += np.bincount(bins[is_right], minlength=count)
        self.confidence += np.bincount(bins, weights=confidence, minlength=count)

    @property
    def expected_error(self) -> float:
        """Expected calibration error in [0, 1]; nan without any pixel.

        The mean over all pixels of the difference between confidence and share of
        right predictions in the bin of the pixel.
        """
        total = self.pixels.sum()
        if not total:
            return float("nan")
        return float(np.abs(self.confidence - self.right).sum() / total)


def negative_log_likelihood(
    logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0
) -> float:
    """Mean of -log softmax(logits / temperature) of the label over valid pixels.

    Args:
        logits: float, of the shape of `labels` and a last axis of classes.
        labels: as for `Reliability.update`.
        temperature: above 0.
    """
    scaled, own = _valid(logits, labels)
    scaled, own = scaled / temperature, own / temperature
    highest = scaled.max(axis=-1, keepdims=True)
    sums = np.log(np.exp(scaled - highest).sum(axis=-1)) + highest[:, 0]
    return float((sums - own).mean())


def fitted_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with the least negative log likelihood, in [0.02, 50].

    The likelihood is convex in the inverse of the temperature, so that its derivative
    has one zero, which is found by halving.

    Args:
        logits: float, of the shape of `labels` and a last axis of classes.
        labels: as for `Reliability.update`.

    Raises:
        ValueError: if no pixel is valid.
    """
    values, own = _valid(logits, labels)
    if not len(values):
        raise ValueError("a temperature needs pixels with labels, got none.")
    values = values - values.max(axis=-1, keepdims=True)
    own = own - logits[labels < _NO_LABEL].max(axis=-1)
    low, high = np.log(1 / _MOST), np.log(1 / _LEAST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        odds = np.exp(np.exp(middle) * values)
        expected = (odds * values).sum(axis=-1) / odds.sum(axis=-1)
        # Above zero, a larger factor makes the labels less likely.
        if (expected - own).mean() > 0:
            high = middle
        else:
            low = middle
    return float(np.exp(-(low + high) / 2))


def _valid(
    logits: np.ndarray, labels: np.ndarray
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Logits of the valid pixels, and those of their labels."""
    valid = labels < _NO_LABEL
    values = logits[valid].astype(np.float64)
    own = np.take_along_axis(values, labels[valid][:, None].astype(np.intp), axis=-1)
    return values, own[:, 0]
