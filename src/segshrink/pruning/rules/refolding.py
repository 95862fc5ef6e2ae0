"""Layers that lay the same values out in another shape."""

import numpy as np

from segshrink.pruning.channels import ChannelIds
from segshrink.pruning.layer_call import Channels, LayerCall, Untraceable


def flattening(call: LayerCall) -> Channels:
    """Flatten, in the order in which the values lie."""
    if call.layer.data_format == "channels_first" and len(call.input_shapes[0]) > 2:
        raise Untraceable("it changes the order of axes")
    return Channels(1, refolded(call))


def reshaping(call: LayerCall) -> Channels:
    """Reshape; the last axis of the result holds the channels."""
    outgoing = refolded(call)
    if call.layer.target_shape[-1] != -1:
        call.resize(("target_shape", -1), outgoing)
    return Channels(len(call.output_shape) - 1, outgoing)


def refolded(call: LayerCall) -> ChannelIds:
    """Channels along the last axis after values are laid out in another shape.

    Values that come to lie in the same column become one channel. Removing whole
    channels keeps the order of the others, so the smaller reshape gives the same.
    """
    before, after = call.input_shapes[0][1:], call.output_shape[1:]
    fixed = [size for size in before if size is not None]
    axis = call.axis() - 1
    ids = call.channels(axis + 1)
    if axis == len(before) - 1 and before[-1] == after[-1]:
        return ids
    if len(fixed) < len(before) or after[-1] is None:
        raise Untraceable("it reshapes sizes that are not fixed")
    along_axis = [-1 if place == axis else 1 for place in range(len(before))]
    laid_out = np.broadcast_to(ids.reshape(along_axis), fixed).reshape(-1)
    return call.tie(laid_out, laid_out.size // after[-1])


def permutation(call: LayerCall) -> Channels:
    """Permute: the channel axis moves."""
    axis = call.axis()
    return Channels(call.layer.dims.index(axis) + 1, call.channels(axis))
