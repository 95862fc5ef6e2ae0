"""Normalizations."""

import numpy as np

from segshrink.pruning.layer_call import Channels, LayerCall, Untraceable


def batch_normalization(call: LayerCall) -> Channels:
    """BatchNormalization over the channel axis; every weight is `(channels,)`.

    The output gets ids of its own, so that the layer's scale is counted for the layers
    that feed it directly and not for the ones after it.
    """
    layer = call.layer
    incoming = call.channels(layer.axis)
    for weight in layer.weights:
        # A variance of 0 would cause a division by 0 where epsilon is 0.
        is_variance = weight is layer.moving_variance
        call.slice(weight, 0, incoming, neutral=1.0 if is_variance else 0.0)
    call.scale(incoming, layer.gamma, layer.moving_variance, layer.epsilon)
    outgoing = call.new(len(incoming))
    call.unite(incoming, outgoing)
    return Channels(layer.axis % len(call.input_shapes[0]), outgoing)


def layer_normalization(call: LayerCall) -> Channels:
    """LayerNormalization or RMSNormalization over the channel axis alone.

    Mean and variance are computed over the channels that stay.
    """
    axis = _only_axis(call)
    ids = call.channels(axis)
    for weight in call.layer.weights:
        call.slice(weight, 0, ids)
    call.average(ids)
    return Channels(axis, ids)


def group_normalization(call: LayerCall) -> Channels:
    """GroupNormalization; a channel leaves with its counterpart in every other group.

    With one channel per group (instance normalization) each leaves by itself.
    """
    layer = call.layer
    axis = _only_axis(call)
    ids = call.channels(axis)
    for weight in layer.weights:
        call.slice(weight, 0, ids)
    if layer.groups == len(ids):
        call.resize(("groups",), ids)
    else:
        call.tie(ids, layer.groups)
        call.average(ids)
    return Channels(axis, ids)


def unit_normalization(call: LayerCall) -> Channels:
    """UnitNormalization over the channel axis alone, with the norm of kept channels."""
    axis = _only_axis(call)
    ids = call.channels(axis)
    call.average(ids)
    return Channels(axis, ids)


def _only_axis(call: LayerCall) -> int:
    """The one axis that a layer normalizes, which must hold the channels."""
    axes = np.atleast_1d(call.layer.axis) % len(call.input_shapes[0])
    if len(axes) != 1 or int(axes[0]) != call.axis():
        raise Untraceable("it normalizes other axes than the channels")
    return int(axes[0])


def input_normalization(call: LayerCall) -> Channels:
    """Normalization: its constants hold a value for each channel, which all stay."""
    ids = call.channels(call.axis())
    call.freeze(ids, "it normalizes each channel by a constant")
    return Channels(call.axis(), ids)
