"""Norm of everything that leaves with a unit."""

import numpy as np

from segshrink.pruning.importance import FloatArray, GroupWeights


def group_norm(group: GroupWeights) -> FloatArray:
    """L2 norm of all coupled weights of a unit: of its producers and its consumers.

    Reference: Fang, Ma, Song, Mi, Wang, DepGraph: Towards Any Structural Pruning, 2023.

    Args:
        group: weights of one group of channels.

    Returns:
        float64 array `(units,)`, at least 0.
    """
    squares = np.zeros(group.size)
    for weights in group.coupled:
        np.add.at(squares, weights.units, _squared_norms(weights.rows))
    return np.sqrt(squares)


def _squared_norms(rows: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("ij,ij->i", rows, rows))
