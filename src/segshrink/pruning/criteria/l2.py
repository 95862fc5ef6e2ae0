"""L2 norm of the filters."""

import numpy as np

from segshrink.pruning.importance import FloatArray, GroupWeights, ProducerWeights


def l2(group: GroupWeights) -> FloatArray:
    """L2 norm of all weights that produce a unit, as inference sees them.

    score = sqrt(sum over the unit's channels of e), where

        e = ||kernel||^2 + bias^2                        without normalization
        e = ||kernel||^2 * gamma^2 / (var + epsilon)     with BatchNormalization after

    Normalization cancels any factor of the kernel in front of it, so that the plain
    norm would rank by an arbitrary scale; the product is the norm of the filter
    with the normalization folded in. A bias in front of it is subtracted again, and
    beta only shifts, so neither counts. Squares are summed over all layers that
    produce the unit (both operands of an addition), so a unit is unimportant only if
    all of its filters are small.

    References: Li, Kadav, Durdanovic, Samet, Graf, Pruning Filters for Efficient
    ConvNets, 2017 (who use L1). Fang, Ma, Song, Mi, Wang, DepGraph: Towards Any
    Structural Pruning, 2023 (sums over a group).

    Args:
        group: weights of one group of channels.

    Returns:
        float64 array `(units,)`, at least 0.
    """
    return np.sqrt(group.total(_energy))


def _energy(weights: ProducerWeights) -> FloatArray:
    energy = np.square(weights.kernel).sum(axis=1)
    if weights.scale is not None:
        return energy * np.square(weights.scale)
    if weights.bias is not None:
        return energy + np.square(weights.bias)
    return energy
