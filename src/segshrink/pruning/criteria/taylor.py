"""First-order effect on the loss."""

import numpy as np

from segshrink.pruning.importance import FloatArray, GroupWeights


def taylor(group: GroupWeights) -> FloatArray:
    """Mean over images of |dL/dm|, with m a factor on the unit.

    To first order, the loss L of an image changes by dL/dm = sum a dL/da, over the
    activations a of the unit, when the unit leaves. The derivatives of all
    consumers of the unit are summed before the absolute value is taken.

    Reference: Molchanov, Tyree, Karras, Aila, Kautz, Pruning Convolutional Neural
    Networks for Resource Efficient Inference, 2017 (who take the mean over positions,
    where this takes the sum, so that layers of all resolutions compare).

    Args:
        group: weights of one group of channels, with data.

    Returns:
        float64 array `(units,)`, at least 0, in units of the loss.

    Raises:
        UsageError: if there is no data or it has no labels.
    """
    return np.abs(group.gradients()).mean(axis=0)
