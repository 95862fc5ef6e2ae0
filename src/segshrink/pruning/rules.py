"""How channels pass through each layer: a plain dict from layer class to rule.

A rule is looked up by the exact class, since a subclass may compute something else. A
custom layer gets one in a few lines, for example

    def gate(call):                      # one learned factor for each channel
        ids = call.channels(-1)
        call.slice(call.layer.factor, 0, ids)
        return Channels(call.axis(), ids)

    plan_pruning(model, keep=0.5, rules={Gate: gate})

and a subclass that computes the same as its base takes the rule of the base:
`rules={MyConv2D: RULES[keras.layers.Conv2D]}`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import layers

from segshrink.pruning.channels import ChannelIds
from segshrink.pruning.layer_call import Channels, LayerCall, Untraceable

Rule = Callable[[LayerCall], Channels]

ELEMENTWISE_ACTIVATIONS = frozenset(
    getattr(keras.activations, name)
    for name in (
        "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_tanh "
        "leaky_relu linear log_sigmoid mish relu relu6 selu sigmoid silu soft_shrink "
        "softplus softsign sparse_plus sparse_sigmoid squareplus tanh tanh_shrink "
        "threshold"
    ).split()
)


def channel_axis(call: LayerCall) -> int:
    """The channel axis of the layer's first input, by the layer's data format."""
    first = getattr(call.layer, "data_format", None) == "channels_first"
    return 1 if first else len(call.input_shapes[0]) - 1


def convolution(call: LayerCall) -> Channels:
    """Conv1D, Conv2D, Conv3D; kernel `(*window, channels / groups, filters)`.

    With groups, a channel leaves together with its like in every other group, so that
    the groups stay of equal size.
    """
    layer = call.layer
    axis = channel_axis(call)
    incoming = call.tie(call.channels(axis), layer.groups)
    outgoing = call.produce(layer.kernel, axes=(-1,), bias=layer.bias)
    call.tie(outgoing, layer.groups)
    call.slice(layer.kernel, -2, incoming)
    call.slice(layer.kernel, -1, outgoing)
    call.resize(("filters",), outgoing)
    return _activated(call, axis, outgoing)


def transposed_convolution(call: LayerCall) -> Channels:
    """Conv2DTranspose and its like; kernel `(*window, filters, channels)`."""
    layer = call.layer
    axis = channel_axis(call)
    incoming = call.channels(axis)
    outgoing = call.produce(layer.kernel, axes=(-2,), bias=layer.bias)
    call.slice(layer.kernel, -1, incoming)
    call.slice(layer.kernel, -2, outgoing)
    call.resize(("filters",), outgoing)
    return _activated(call, axis, outgoing)


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
    return _activated(call, axis, outgoing)


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
    return _activated(call, axis, outgoing)


def dense(call: LayerCall) -> Channels:
    """Dense, over the last axis; kernel `(channels, units)`."""
    layer = call.layer
    incoming = call.channels(-1)
    outgoing = call.produce(layer.kernel, axes=(-1,), bias=layer.bias)
    call.slice(layer.kernel, 0, incoming)
    call.slice(layer.kernel, 1, outgoing)
    call.resize(("units",), outgoing)
    return _activated(call, len(call.output_shape) - 1, outgoing)


def _activated(call: LayerCall, axis: int, outgoing: ChannelIds) -> Channels:
    """The output, kept whole if the layer's own activation mixes channels."""
    if not _is_elementwise(call.layer.activation):
        name = getattr(call.layer.activation, "__name__", call.layer.activation)
        call.freeze(outgoing, f"activation {name} is not known to be elementwise")
    return Channels(axis, outgoing)


def _is_elementwise(activation: Any) -> bool:
    return activation is None or (
        callable(activation)
        and not isinstance(activation, keras.Layer)
        and activation in ELEMENTWISE_ACTIVATIONS
    )


def batch_normalization(call: LayerCall) -> Channels:
    """BatchNormalization over the channel axis; every weight is `(channels,)`.

    The output gets ids of its own, so that the layer's scale is counted for the layers
    that feed it directly and not for the ones after it.
    """
    layer = call.layer
    incoming = call.channels(layer.axis)
    for weight in layer.weights:
        # A variance of 0 would divide by 0 where epsilon is 0.
        is_variance = weight is layer.moving_variance
        call.slice(weight, 0, incoming, neutral=1.0 if is_variance else 0.0)
    call.scale(incoming, layer.gamma, layer.moving_variance, layer.epsilon)
    outgoing = call.new(len(incoming))
    call.unite(incoming, outgoing)
    return Channels(layer.axis % len(call.input_shapes[0]), outgoing)


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
    """Dropout, unless its mask has a shape of its own, which may count the channels."""
    if call.layer.noise_shape is not None:
        raise Untraceable("its noise_shape may count the channels")
    return elementwise(call)


def activation(call: LayerCall) -> Channels:
    """Activation; followed if the function is known to be elementwise."""
    function = call.layer.activation
    if not _is_elementwise(function):
        name = getattr(function, "__name__", function)
        raise Untraceable(f"activation {name} is not known to be elementwise")
    return elementwise(call)


def rescaling(call: LayerCall) -> Channels:
    """Rescaling by numbers; a vector of scales would have to be cut."""
    if np.ndim(call.layer.scale) or np.ndim(call.layer.offset):
        raise Untraceable("it scales channels by constants that are not cut")
    return elementwise(call)


def spatial(call: LayerCall) -> Channels:
    """A layer that moves values in space, each channel for itself."""
    axis = channel_axis(call)
    return Channels(axis, call.channels(axis))


def global_pooling(call: LayerCall) -> Channels:
    """Global pooling; the channel axis is the only one left, unless `keepdims`."""
    axis = channel_axis(call)
    return Channels(axis if call.layer.keepdims else 1, call.channels(axis))


def merge(call: LayerCall) -> Channels:
    """Add, Multiply and their like: the same channel leaves from every operand.

    Operands broadcast over space (a squeeze-and-excite gate) or over channels (an
    attention map, which keeps its one channel).
    """
    ranks = {len(shape) for shape in call.input_shapes}
    if len(ranks) > 1:
        raise Untraceable("its inputs differ in rank")
    axis = call.axis()
    operands = [call.channels(axis, which) for which in range(len(call.input_shapes))]
    count = max(len(ids) for ids in operands)
    outgoing = call.new(count)
    for ids in operands:
        if len(ids) == count:
            call.unite(outgoing, ids)
        else:
            call.freeze(ids, "one channel stands beside all channels")
    return Channels(axis, outgoing)


def concatenation(call: LayerCall) -> Channels:
    """Concatenate: along channels the vectors line up, otherwise channels are merged.

    Along another axis the inputs hold the same channels at different places.
    """
    if call.layer.axis % len(call.output_shape) != call.axis():
        return merge(call)
    axis = call.axis()
    vectors = [call.channels(axis, which) for which in range(len(call.input_shapes))]
    return Channels(axis, np.concatenate(vectors))


def flattening(call: LayerCall) -> Channels:
    """Flatten, in the order in which the values lie."""
    if call.layer.data_format == "channels_first" and len(call.input_shapes[0]) > 2:
        raise Untraceable("it changes the order of axes")
    return Channels(1, _refolded(call))


def reshaping(call: LayerCall) -> Channels:
    """Reshape; the last axis of the result holds the channels."""
    outgoing = _refolded(call)
    if call.layer.target_shape[-1] != -1:
        call.resize(("target_shape", -1), outgoing)
    return Channels(len(call.output_shape) - 1, outgoing)


def _refolded(call: LayerCall) -> ChannelIds:
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


RULES: Mapping[type, Rule] = {
    layers.Conv1D: convolution,
    layers.Conv2D: convolution,
    layers.Conv3D: convolution,
    layers.Conv1DTranspose: transposed_convolution,
    layers.Conv2DTranspose: transposed_convolution,
    layers.Conv3DTranspose: transposed_convolution,
    layers.DepthwiseConv1D: depthwise_convolution,
    layers.DepthwiseConv2D: depthwise_convolution,
    layers.SeparableConv1D: separable_convolution,
    layers.SeparableConv2D: separable_convolution,
    layers.Dense: dense,
    layers.BatchNormalization: batch_normalization,
    layers.PReLU: prelu,
    layers.Activation: activation,
    layers.Rescaling: rescaling,
    layers.Dropout: dropout,
    layers.AlphaDropout: dropout,
    **dict.fromkeys(
        (
            layers.ReLU,
            layers.LeakyReLU,
            layers.ELU,
            layers.Identity,
            layers.SpatialDropout1D,
            layers.SpatialDropout2D,
            layers.SpatialDropout3D,
            layers.GaussianDropout,
            layers.GaussianNoise,
            layers.ActivityRegularization,
        ),
        elementwise,
    ),
    **dict.fromkeys(
        (
            layers.MaxPooling1D,
            layers.MaxPooling2D,
            layers.MaxPooling3D,
            layers.AveragePooling1D,
            layers.AveragePooling2D,
            layers.AveragePooling3D,
            layers.UpSampling1D,
            layers.UpSampling2D,
            layers.UpSampling3D,
            layers.ZeroPadding1D,
            layers.ZeroPadding2D,
            layers.ZeroPadding3D,
            layers.Cropping1D,
            layers.Cropping2D,
            layers.Cropping3D,
            layers.Resizing,
        ),
        spatial,
    ),
    **dict.fromkeys(
        (
            layers.GlobalAveragePooling1D,
            layers.GlobalAveragePooling2D,
            layers.GlobalAveragePooling3D,
            layers.GlobalMaxPooling1D,
            layers.GlobalMaxPooling2D,
            layers.GlobalMaxPooling3D,
        ),
        global_pooling,
    ),
    **dict.fromkeys(
        (
            layers.Add,
            layers.Subtract,
            layers.Multiply,
            layers.Average,
            layers.Maximum,
            layers.Minimum,
        ),
        merge,
    ),
    layers.Concatenate: concatenation,
    layers.Flatten: flattening,
    layers.Reshape: reshaping,
    layers.Permute: permutation,
}
