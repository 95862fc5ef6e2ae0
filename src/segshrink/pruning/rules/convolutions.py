"""Convolutions of every kind."""

import numpy as np

from segshrink.pruning.layer_call import Channels, LayerCall
from segshrink.pruning.rules.activation import activated
from segshrink.pruning.rules.axes import channel_axis


def convolution(call: LayerCall) -> Channels:
    """Conv1D, Conv2D, Conv3D; kernel `(*window, channels / groups, filters)`.

    With groups of several channels, a channel leaves together with the channel of the
    same place in every other group, so that groups keep equal sizes. A group of one
    input channel leaves as a whole.
    """
    layer = call.layer
    axis = channel_axis(call)
    incoming = call.channels(axis)
    outgoing = call.produce(layer.kernel, axes=(-1,), bias=layer.bias)
    if 1 < layer.groups == len(incoming):
        call.unite(np.repeat(incoming, len(outgoing) // layer.groups), outgoing)
        call.resize(("groups",), incoming)
    else:
        call.slice(layer.kernel, -2, call.tie(incoming, layer.groups))
        call.tie(outgoing, layer.groups)
    call.slice(layer.kernel, -1, outgoing)
    call.resize(("filters",), outgoing)
    return activated(call, axis, outgoing)


def transposed_convolution(call: LayerCall) -> Channels:
    """Transposed convolutions; kernel `(*window, filters, channels)`."""
    layer = call.layer
    axis = channel_axis(call)
    incoming = call.channels(axis)
    outgoing = call.produce(layer.kernel, axes=(-2,), bias=layer.bias)
    call.slice(layer.kernel, -1, incoming)
    call.slice(layer.kernel, -2, outgoing)
    call.resize(("filters",), outgoing)
    return activated(call, axis, outgoing)


def depthwise_convolution(call: LayerCall) -> Channels:
    """DepthwiseConv1D, DepthwiseConv2D; kernel `(*window, channels, multiplier)`.

    The outputs of one input channel lie side by side and leave with it.
    """
    layer = call.layer
    axis = channel_axis(call)
    incoming = call.channels(axis)
    outgoing = call.produce(layer.kernel, axes=(-2, -1), bias=layer.bias)
    call.unite(np.repeat(incoming, layer.depth_multiplier), outgoing)
    call.slice(layer.kernel, -2, incoming)
    return activated(call, axis, outgoing)


def separable_convolution(call: LayerCall) -> Channels:
    """SeparableConv1D, SeparableConv2D: a depthwise kernel, then a pointwise one."""
    layer = call.layer
    axis = channel_axis(call)
    incoming = call.channels(axis)
    outgoing = call.produce(layer.pointwise_kernel, axes=(-1,), bias=layer.bias)
    call.slice(layer.depthwise_kernel, -2, incoming)
    call.slice(layer.pointwise_kernel, -2, np.repeat(incoming, layer.depth_multiplier))
    call.slice(layer.pointwise_kernel, -1, outgoing)
    call.resize(("filters",), outgoing)
    return activated(call, axis, outgoing)
