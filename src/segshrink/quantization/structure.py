"""Tensors of a model, and the calls that an int8 file fuses into one operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import layers

from segshrink.models.calls import as_functional, run_calls
from segshrink.quantization.fake_quantized_layers import kernels_of

# Their outputs have the scale of their inputs.
_SAME_RANGE = (
    layers.MaxPooling2D,
    layers.AveragePooling2D,
    layers.UpSampling2D,
    layers.ZeroPadding2D,
    layers.Cropping2D,
    layers.Reshape,
    layers.Flatten,
    layers.Permute,
)
_NOTHING_IN_INFERENCE = (layers.Dropout, layers.SpatialDropout2D, layers.GaussianNoise)
# Converters fuse a ReLU that follows into these, as into layers with kernels.
_TAKES_RELU = (layers.Add, layers.Subtract, layers.Multiply, layers.BatchNormalization)
_CHANNELS_LAST = (-1, 3)


@dataclass(eq=False)
class Value:
    """A tensor of a model.

    Attributes:
        path: path of the call that outputs it, or of the input; `PATH#2` is that of the
            second call of a layer.
        operation: layer or operation that is called; None for an input.
        inputs: inputs of the call.
        consumers: values that are computed from it; None stands for the model's output.
        origin: the value whose call is fused with that of this one; itself if none is.
        normalization: the BatchNormalization that is multiplied into the kernels.
        is_quantized: whether the file holds it, as int8.
        range_owner: the value whose range it shares.
    """

    path: str
    operation: Any = None
    inputs: list[Value] = field(default_factory=list)
    consumers: list[Value | None] = field(default_factory=list)
    normalization: Any = None
    is_quantized: bool = True

    def __post_init__(self) -> None:
        self.origin: Value = self
        self.range_owner: Value = self

    def quantized_consumers(self) -> set[Value | None]:
        """Quantized values that are computed from this one; None for the output."""
        values: set[Value | None] = set()
        for consumer in self.consumers:
            if consumer is None or consumer.is_quantized:
                values.add(consumer)
            else:
                values |= consumer.quantized_consumers()
        return values


def values_of(model: keras.Model) -> list[Value]:
    """The tensors of a Functional or Sequential model in order, nested models entered.

    A normalization is fused into the convolution before it, and a ReLU or ReLU6 into
    the operation before it, where the value between has no other consumer. Pooling,
    upsampling and padding keep the range of their input.

    Raises:
        ModelError: if the model is not Functional or Sequential.
    """
    values = _connected(model)
    for value in values:
        _fuse(value)
    return values


def _connected(model: keras.Model) -> list[Value]:
    values = [Value(tensor.name) for tensor in as_functional(model).inputs]
    times: Counter[str] = Counter()

    def compute(path: str, node: Any, inputs: list[Value]) -> list[Value]:
        times[path] += 1
        path = path if times[path] == 1 else f"{path}#{times[path]}"
        outputs = [Value(path, node.operation, list(inputs)) for _ in node.outputs]
        for value in inputs:
            value.consumers += outputs[:1]
        values.extend(outputs)
        return outputs

    for output in run_calls(model, list(values), compute):
        output.consumers.append(None)
    return values


def _fuse(value: Value) -> None:
    """Settle which range a value has, and what it is fused with."""
    operation = value.operation
    if isinstance(operation, _NOTHING_IN_INFERENCE) or _is_linear(operation):
        value.is_quantized, value.range_owner = False, value.inputs[0].range_owner
    elif isinstance(operation, _SAME_RANGE):
        value.range_owner = value.inputs[0].range_owner
    only = value.consumers[0] if len(value.consumers) == 1 else None
    if only is None:
        return
    if _folds(value, only.operation):
        value.normalization = only.operation
    elif not (_takes_relu(value) and _is_relu(only.operation)):
        return
    value.is_quantized, only.origin = False, value.origin


def _folds(value: Value, following: Any) -> bool:
    """Whether a normalization can be multiplied into the kernels before it."""
    layer = value.operation
    return (
        bool(kernels_of(layer))
        and isinstance(following, layers.BatchNormalization)
        and following.axis in _CHANNELS_LAST
        and getattr(layer, "data_format", "channels_last") == "channels_last"
        and layer.activation is keras.activations.linear
    )


def _takes_relu(value: Value) -> bool:
    layer = value.operation
    if kernels_of(layer):
        return layer.activation is keras.activations.linear
    return value.origin is not value or isinstance(layer, _TAKES_RELU)


def _is_relu(operation: Any) -> bool:
    if isinstance(operation, layers.ReLU):
        plain = not operation.negative_slope and not operation.threshold
        return plain and operation.max_value in (None, 6, 6.0)
    if isinstance(operation, layers.Activation):
        known = (keras.activations.relu, keras.activations.relu6)
        return operation.activation in known
    return False


def _is_linear(operation: Any) -> bool:
    return (
        isinstance(operation, layers.Activation)
        and operation.activation is keras.activations.linear
    )


def with_consumers(values: Iterable[Value]) -> set[Value]:
    """The values and their quantized consumers.

    If all of these are computed in float, the values themselves are not quantized.
    """
    chosen = set(values)
    consumers = {each for value in chosen for each in value.quantized_consumers()}
    return chosen | {each for each in consumers if each is not None}
