"""How far a mean IoU would move if other images of the same kind had been scored.

The bootstrap of Efron, 1979: images are drawn with replacement, as many as there are,
and the metric is computed of each such draw; the middle 95 % of the results are the
interval. Two models are compared on the same draws, so that what makes an image hard
for both cancels out.
"""

import numpy as np
import numpy.typing as npt

DRAWS = 2000
_SHARE = 0.95


def mean_iou_interval(
    counts: npt.ArrayLike,
    minus: npt.ArrayLike | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of 95 % of the mean IoU, or of a difference of two.

    Args:
        counts: int array `(units, classes, 3)`: true pixels, predicted pixels and right
            pixels of each class in each unit, which is an image or a scene.
        minus: the same of another model on the same units; its mean IoU is subtracted.
        draws: int of 1 or more.
        seed: of the draws.

    Returns:
        Lower and upper end, shares in 0 to 1, or in -1 to 1 for a difference; nan if
        no class occurs.

    Raises:
        ValueError: if a shape is another, or there is no unit.

    Example:
        >>> mean_iou_interval([[[10, 10, 10]], [[10, 10, 10]]])
        (1.0, 1.0)
    """
    own = _checked(counts)
    units = len(own)
    # How often each unit is in each draw; the order within a draw does not matter.
    random = np.random.default_rng(seed)
    times = random.multinomial(units, np.full(units, 1 / units), draws)
    values = _mean_ious(times, own)
    if minus is not None:
        other = _checked(minus)
        if other.shape != own.shape:
            raise ValueError(
                "both models must be counted on the same units and classes, got "
                f"{own.shape} and {other.shape}."
            )
        values = values - _mean_ious(times, other)
    values = values[~np.isnan(values)]
    if not values.size:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - _SHARE) / 2, (1 + _SHARE) / 2])
    return float(low), float(high)


def _checked(counts: npt.ArrayLike) -> npt.NDArray[np.float64]:
    # Sums of pixels are exact in float64, whose products are much faster than int64's.
    array = np.asarray(counts, np.float64)
    if array.ndim != 3 or array.shape[2] != 3 or not len(array):
        raise ValueError(
            "counts must be (units, classes, 3) of at least one unit, got shape "
            f"{array.shape}."
        )
    return array


def _mean_ious(
    times: npt.NDArray[np.int64], counts: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Mean IoU of each draw, over the classes that occur in it."""
    units, classes, _ = counts.shape
    sums = (times @ counts.reshape(units, -1)).reshape(len(times), classes, 3)
    true, predicted, right = np.moveaxis(sums, -1, 0)
    union = true + predicted - right
    occurs = union > 0
    iou = np.divide(right, union, out=np.zeros_like(right), where=occurs)
    with np.errstate(invalid="ignore"):
        return np.asarray(iou.sum(axis=1) / occurs.sum(axis=1))
