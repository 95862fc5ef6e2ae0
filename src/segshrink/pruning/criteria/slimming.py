"""Scale of the normalization that follows."""

import numpy as np

from segshrink.errors import UsageError
from segshrink.pruning.importance import FloatArray, GroupWeights


def slimming(group: GroupWeights) -> FloatArray:
    """Sum of |gamma| of the normalizations that scale a unit.

    Reference: Liu, Li, Shen, Huang, Yan, Zhang, Learning Efficient Convolutional
    Networks through Network Slimming, 2017.

    Args:
        group: weights of one group of channels.

    Returns:
        float64 array `(units,)`, at least 0.

    Raises:
        UsageError: if no normalization with a scale holds channels of the group.
    """
    scales = [weights for weights in group.coupled if weights.is_scale]
    if not scales:
        raise UsageError(
            "Criterion slimming needs a normalization with a scale behind "
            f"{group.layers}. Name these layers in skip, or take another criterion."
        )
    sums = np.zeros(group.size)
    for weights in scales:
        np.add.at(sums, weights.units, np.abs(weights.rows).sum(axis=1))
    return sums
