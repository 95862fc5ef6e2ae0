"""Distance from all other filters."""

import numpy as np

from segshrink.pruning.importance import FloatArray, GroupWeights


def geometric_median(group: GroupWeights) -> FloatArray:
    """Sum of the Euclidean distances from a unit's filters to those of all others.

    A unit near the geometric median can be replaced by the others, however large its
    weights are.

    Reference: He, Liu, Wang, Hu, Yang, Filter Pruning via Geometric Median for Deep
    Convolutional Neural Networks Acceleration, 2019.

    Args:
        group: weights of one group of channels.

    Returns:
        float64 array `(units,)`, at least 0.
    """
    filters = group.filters()
    squares = np.square(filters).sum(axis=1)
    gaps = squares[:, None] + squares[None] - 2 * filters @ filters.T
    return np.sqrt(np.maximum(gaps, 0)).sum(axis=1)
