"""Mean absolute activation of each unit."""

from segshrink.pruning.importance import FloatArray, GroupWeights


def mean_activation(group: GroupWeights) -> FloatArray:
    """Mean absolute value of a unit over images and positions, void left out.

    It is measured at the consumers of the unit, behind its activation. A unit that is
    zero on all data can leave, whatever its weights.

    Reference: Molchanov, Tyree, Karras, Aila, Kautz, Pruning Convolutional Neural
    Networks for Resource Efficient Inference, 2017 (one of its criteria).

    Args:
        group: weights of one group of channels, with data.

    Returns:
        float64 array `(units,)`, at least 0.

    Raises:
        UsageError: if there is no data, or the activations cannot be seen.
    """
    return group.activations()
