"""Activations of layers, and whether they treat each value by itself."""

from typing import Any

import keras

from segshrink.pruning.channels import ChannelIds
from segshrink.pruning.layer_call import Channels, LayerCall

ELEMENTWISE_ACTIVATIONS = frozenset(
    getattr(keras.activations, name)
    for name in (
        "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_tanh "
        "leaky_relu linear log_sigmoid mish relu relu6 selu sigmoid silu soft_shrink "
        "softplus softsign sparse_plus sparse_sigmoid squareplus tanh tanh_shrink "
        "threshold"
    ).split()
)


def activated(call: LayerCall, axis: int, outgoing: ChannelIds) -> Channels:
    """The output, kept whole if the layer's own activation mixes channels."""
    if not is_elementwise(call.layer.activation):
        name = getattr(call.layer.activation, "__name__", call.layer.activation)
        call.freeze(outgoing, f"activation {name} is not known to be elementwise")
    return Channels(axis, outgoing)


# Layers without weights that are given as the activation of another layer.
_ELEMENTWISE_LAYERS = (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.ELU)


def is_elementwise(activation: Any) -> bool:
    """Whether an activation is known to treat every value by itself."""
    if type(activation) is keras.layers.Activation:
        return is_elementwise(activation.activation)
    if type(activation) in _ELEMENTWISE_LAYERS:
        return True
    return activation is None or (
        callable(activation)
        and not isinstance(activation, keras.Layer)
        and activation in ELEMENTWISE_ACTIVATIONS
    )
