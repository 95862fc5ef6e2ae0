"""Class weights that raise the share of rare classes in a loss."""

from collections.abc import Sequence

import numpy as np


def balanced_class_weights(frequencies: Sequence[float] | np.ndarray) -> np.ndarray:
    """Inverse square root of each class's share, so that an average pixel weighs 1.

    weight_c = share_c^-1/2 / sum_k share_k^1/2, hence sum_c share_c weight_c = 1. The
    root is a compromise: the plain inverse gives every class the same total weight, so
    that the few, often badly labelled pixels of a rare class dominate the gradient.

    Args:
        frequencies: shares or pixel counts of the classes, >= 0, in any scale.

    Returns:
        float64 array, one weight per class; 0 for a class without pixels, whose weight
        would be infinite.

    Raises:
        ValueError: if a frequency is negative or not finite, or all are 0.

    Example:
        >>> balanced_class_weights([0.64, 0.36, 0.0])
        array([0.89285714, 1.19047619, 0.        ])
    """
    counts = np.asarray(frequencies, dtype=np.float64)
    if not (np.isfinite(counts).all() and (counts >= 0).all() and counts.any()):
        raise ValueError(
            "frequencies must be finite, at least 0 and not all 0, got "
            f"{counts.tolist()}."
        )
    roots = np.sqrt(counts / counts.sum())
    present = roots > 0
    weights = np.zeros_like(roots)
    weights[present] = 1 / (roots[present] * roots.sum())
    return weights
