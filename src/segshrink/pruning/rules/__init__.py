"""Rules for channels through layers: a plain dict from layer class to rule.

A rule is looked up by the exact class, since a subclass may compute something else. A
custom layer gets one in a few lines, for example

    def gate(call):                      # one learned factor for each channel
        ids = call.channels(-1)
        call.slice(call.layer.factor, 0, ids)
        return Channels(call.axis(), ids)

    plan_pruning(model, keep=0.5, rules={Gate: gate})

and a subclass that computes the same as its base takes the rule of the base:
`rules={MyConv2D: RULES[keras.layers.Conv2D]}`. A rule of None freezes the layer.
Operations, and layers inside `keras.applications`, have no public classes and are
looked up by name.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras import layers

from segshrink.errors import UsageError
from segshrink.pruning.layer_call import Channels, LayerCall
from segshrink.pruning.rules.convolutions import (
    convolution,
    depthwise_convolution,
    separable_convolution,
    transposed_convolution,
)
from segshrink.pruning.rules.dense import attention, dense, einsum_dense, embedding
from segshrink.pruning.rules.merging import concatenation, merge
from segshrink.pruning.rules.normalization import (
    batch_normalization,
    group_normalization,
    input_normalization,
    layer_normalization,
    unit_normalization,
)
from segshrink.pruning.rules.operations import OPERATIONS
from segshrink.pruning.rules.pointwise import (
    activation,
    dropout,
    elementwise,
    global_pooling,
    layer_scale,
    prelu,
    rescaling,
    softmax,
    spatial,
)
from segshrink.pruning.rules.refolding import flattening, permutation, reshaping

Rule = Callable[[LayerCall], Channels | Sequence[Channels]]

RULES: Mapping[type | str, Rule | None] = {
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
    layers.LayerNormalization: layer_normalization,
    layers.RMSNormalization: layer_normalization,
    layers.GroupNormalization: group_normalization,
    layers.UnitNormalization: unit_normalization,
    layers.Normalization: input_normalization,
    layers.EinsumDense: einsum_dense,
    layers.Embedding: embedding,
    layers.MultiHeadAttention: attention,
    layers.Softmax: softmax,
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
            layers.CenterCrop,
            layers.Cropping1D,
            layers.Cropping2D,
            layers.Cropping3D,
            layers.Resizing,
            layers.AdaptiveAveragePooling1D,
            layers.AdaptiveAveragePooling2D,
            layers.AdaptiveAveragePooling3D,
            layers.AdaptiveMaxPooling1D,
            layers.AdaptiveMaxPooling2D,
            layers.AdaptiveMaxPooling3D,
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
    **OPERATIONS,
    "CustomScaleLayer": merge,  # first + scale * second, in InceptionResNetV2
    "LayerScale": layer_scale,
    "StochasticDepth": elementwise,
}


def checked_rules(
    rules: Mapping[type | str, Rule | None] | None,
) -> Mapping[type | str, Rule | None]:
    """The custom rules, none by default.

    Raises:
        UsageError: if a rule is not a function, or they are not a mapping.
    """
    rules = {} if rules is None else rules
    known = isinstance(rules, Mapping) and all(
        rule is None or callable(rule) for rule in rules.values()
    )
    if not known:
        raise UsageError(
            f"rules must map layer classes to functions or None, got {rules!r}."
        )
    return rules


def rule_of(layer: Any, rules: Mapping[type | str, Rule | None]) -> Rule | None:
    """The rule of a layer or operation: by its class, Keras's own also by name.

    The classes of operations, and of layers inside `keras.applications`, have no public
    name.
    """
    found = rules.get(type(layer))
    if found is None and type(layer).__module__.startswith("keras.src."):
        if not type(layer).__module__.startswith("keras.src.layers."):
            found = rules.get(type(layer).__name__)
    return found


__all__ = ["RULES", "Rule", "checked_rules", "rule_of"]
