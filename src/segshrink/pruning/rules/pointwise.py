"""Layers that treat every value, or every channel, by itself."""

import numpy as np

from segshrink.pruning.layer_call import Channels, LayerCall, Untraceable
from segshrink.pruning.rules.activation import is_elementwise
from segshrink.pruning.rules.axes import channel_axis


def prelu(call: LayerCall) -> Channels:
    """PReLU; slopes `(*shape without batch)`, 1 along shared axes."""
    axis = call.axis()
    ids = call.channels(axis)
    if axis not in (call.layer.shared_axes or ()):
        call.slice(call.layer.alpha, axis - 1, ids)
    return Channels(axis, ids)


def elementwise(call: LayerCall) -> Channels:
    """A layer that treats every value alike, whatever its channel."""
    axis = call.axis()
    return Channels(axis, call.channels(axis))


def dropout(call: LayerCall) -> Channels:
    """Dropout, unless the shape of its mask counts the channels."""
    shape = call.layer.noise_shape
    if shape is not None and shape[call.axis()] not in (None, 1):
        raise Untraceable("its noise_shape counts the channels")
    return elementwise(call)


def activation(call: LayerCall) -> Channels:
    """Activation; followed if the function is known to be elementwise."""
    function = call.layer.activation
    if not is_elementwise(function):
        name = getattr(function, "__name__", function)
        raise Untraceable(f"activation {name} is not known to be elementwise")
    return elementwise(call)


def rescaling(call: LayerCall) -> Channels:
    """Rescaling; a vector of scales is a constant that is not cut."""
    axis = call.axis()
    ids = call.channels(axis)
    if np.ndim(call.layer.scale) or np.ndim(call.layer.offset):
        call.freeze(ids, "it scales each channel by a constant")
    return Channels(axis, ids)


def softmax(call: LayerCall) -> Channels:
    """Softmax over other axes than the channels."""
    axis = call.axis()
    over = np.atleast_1d(call.layer.axis) % len(call.input_shapes[0])
    if axis in over:
        raise Untraceable("it compares all channels with each other")
    return Channels(axis, call.channels(axis))


def layer_scale(call: LayerCall) -> Channels:
    """LayerScale of ConvNeXt: a learned factor for each channel."""
    axis = call.axis()
    ids = call.channels(axis)
    call.slice(call.layer.gamma, 0, ids)
    call.resize(("projection_dim",), ids)
    return Channels(axis, ids)


def spatial(call: LayerCall) -> Channels:
    """A layer that moves values in space, each channel by itself."""
    axis = channel_axis(call)
    return Channels(axis, call.channels(axis))


def global_pooling(call: LayerCall) -> Channels:
    """Global pooling; the channel axis is the only one left, unless `keepdims`."""
    axis = channel_axis(call)
    return Channels(axis if call.layer.keepdims else 1, call.channels(axis))
