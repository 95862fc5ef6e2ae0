"""Second-order effect on the loss."""

import numpy as np

from segshrink.pruning.importance import FloatArray, GroupWeights


def fisher(group: GroupWeights) -> FloatArray:
    """Half the mean square over images of dL/dm, with m a factor on the unit.

    At a minimum of the mean loss the first-order effects cancel, and the mean square of
    the gradients estimates the curvature: the loss grows by half of it when the unit
    leaves. The derivatives of all consumers of the unit are summed first.

    References: Theis, Korshunova, Tejani, Huszar, Faster Gaze Prediction with Dense
    Networks and Fisher Pruning, 2018; Liu, Zhang, Kuang, Zhou, Xue, Wang, Chen, Yang,
    Liao, Zhang, Group Fisher Pruning for Practical Network Compression, 2021.

    Args:
        group: weights of one group of channels, with data.

    Returns:
        float64 array `(units,)`, at least 0.

    Raises:
        UsageError: if there is no data or it has no labels.
    """
    return np.square(group.gradients()).mean(axis=0) / 2
