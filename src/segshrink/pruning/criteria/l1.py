"""L1 norm of the filters."""

import numpy as np

from segshrink.pruning.importance import FloatArray, GroupWeights, ProducerWeights


def l1(group: GroupWeights) -> FloatArray:
    """L1 norm of all weights that produce a unit, as inference sees them.

    A filter in front of a normalization counts times |gamma| / sqrt(var + epsilon), and
    its bias not at all, as in `l2`.

    Reference: Li, Kadav, Durdanovic, Samet, Graf, Pruning Filters for Efficient
    ConvNets, 2017.

    Args:
        group: weights of one group of channels.

    Returns:
        float64 array `(units,)`, at least 0.
    """
    return group.total(_sum)


def _sum(weights: ProducerWeights) -> FloatArray:
    sums = np.abs(weights.kernel).sum(axis=1)
    if weights.scale is not None:
        return sums * weights.scale
    return sums if weights.bias is None else sums + np.abs(weights.bias)
