"""Weights of pixels near the border of two classes."""

from typing import Any

from keras import ops

from segshrink.data import IGNORE_INDEX
from segshrink.distillation.losses.masked_loss import require_factor


def boundary_weights(labels: Any, weight: float, radius_px: int = 2) -> Any:
    """Weights of pixels for losses that are means over pixels.

    A pixel lies at a boundary if the square of `2 * radius_px + 1` around it holds a
    second class. The border with void and the edge of the image do not count.

    Args:
        labels: integer classes `(batch, height, width)`, 255 for void.
        weight: float >= 0, dimensionless; weight of a pixel at a boundary, where the
            others have weight 1.
        radius_px: int > 0, in pixels.

    Returns:
        float32 `(batch, height, width)`, for `sample_weight` of `PixelKL`, `DIST` and
        `FeatureHint`.

    Raises:
        ValueError: if a number is out of range.
    """
    weight = require_factor("boundary weight", weight)
    if isinstance(radius_px, bool) or not isinstance(radius_px, int) or radius_px < 1:
        raise ValueError(f"radius_px must be a whole number above 0, got {radius_px}.")
    if len(labels.shape) != 3:
        raise ValueError(
            f"labels must be (batch, height, width), got {tuple(labels.shape)}."
        )
    labels = ops.expand_dims(ops.cast(labels, "float32"), -1)
    void = ops.equal(labels, float(IGNORE_INDEX))
    highest = _most_around(ops.where(void, -1.0, labels), radius_px)
    lowest = -_most_around(ops.where(void, -float(IGNORE_INDEX), -labels), radius_px)
    boundary = ops.logical_and(highest > lowest, ops.logical_not(void))
    return ops.where(boundary, weight, 1.0)[..., 0]


def _most_around(values: Any, radius_px: int) -> Any:
    size = 2 * radius_px + 1
    # Two passes over lines cost less than one over squares.
    values = ops.max_pool(values, (size, 1), strides=1, padding="same")
    return ops.max_pool(values, (1, size), strides=1, padding="same")
