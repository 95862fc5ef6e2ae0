"""Layers that lay the same values out in another shape."""

import math
from collections.abc import Sequence

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
    split = unfolded(call)
    if split is not None:
        if call.layer.target_shape[split.axis - 1] != -1:
            call.resize(("target_shape", split.axis - 1), split.ids)
        return split
    outgoing = refolded(call)
    if call.layer.target_shape[-1] != -1:
        call.resize(("target_shape", -1), outgoing)
    return Channels(len(call.output_shape) - 1, outgoing)


def unfolded(call: LayerCall) -> Channels | None:
    """Channels that get axes of their own, as for a pixel shuffle in PyTorch's order.

    None unless the axes before the channels stay as they are, and the channels stay
    before others, or those of an image are split into three axes, of which not the last
    is the largest. The largest is taken for the channels; the values along the others
    are tied to it.
    """
    before, after, axis = call.input_shapes[0], call.output_shape, call.axis()
    size = before[axis]
    if after[:axis] != before[:axis] or size is None:
        return None
    ends = range(axis + 1, len(after) + 1)
    end = next((end for end in ends if _count(after[axis:end]) == size), None)
    is_kept = end == axis + 1
    if end is None or not (is_kept or (end == axis + 3 and len(before) == 4)):
        return None
    sizes = [size or 0 for size in after[axis:end]]
    place = max(range(len(sizes)), key=lambda each: (sizes[each], each))
    if axis + place == len(after) - 1:
        return None
    ids = np.moveaxis(call.channels(axis).reshape(sizes), place, -1).reshape(-1)
    return Channels(axis + place, call.tie(ids, len(ids) // sizes[place]))


def _count(sizes: Sequence[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return math.prod(known) if len(known) == len(sizes) else None


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
