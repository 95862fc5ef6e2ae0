"""Which calls of a model become one operation of an int8 file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import layers

from segshrink.models.calls import as_functional, run_calls
from segshrink.quantization.rounding import kernels_of

# What they give has the scale of what they take.
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
# Converters put a ReLU that follows into these, as into what has kernels.
_TAKES_RELU = (layers.Add, layers.Subtract, layers.Multiply, layers.BatchNormalization)
_CHANNELS_LAST = (-1, 3)


@dataclass(eq=False)
class Value:
    """A tensor of a model.

    Attributes:
        path: of the call that gives it, or of the input; `PATH#2` is that of the second
            call of a layer.
        operation: layer or operation that is called; None for an input.
        inputs: what the call takes.
        consumers: what is computed from it; None stands for the model's output.
        origin: the value with whose call this one is computed, itself if alone.
        normalization: the BatchNormalization that is multiplied into the kernels.
        is_rounded: whether the file holds it, as int8.
        same_range: the value whose range it has.
    """

    path: str
    operation: Any = None
    inputs: list[Value] = field(default_factory=list)
    consumers: list[Value | None] = field(default_factory=list)
    normalization: Any = None
    is_rounded: bool = True

    def __post_init__(self) -> None:
        self.origin: Value = self
        self.same_range: Value = self

    def readers(self) -> set[Value | None]:
        """Rounded values that are computed from this one; None for the output."""
        found: set[Value | None] = set()
        for consumer in self.consumers:
            if consumer is None or consumer.is_rounded:
                found.add(consumer)
            else:
                found |= consumer.readers()
        return found


def values_of(model: keras.Model) -> list[Value]:
    """The tensors of a Functional or Sequential model in order, nested models entered.

    A normalization goes into the convolution before it, and a ReLU or ReLU6 into the
    operation before it, where nothing else reads what lies between. Pooling,
    upsampling and padding keep the range of what they take.

    Raises:
        ModelError: if the model is not Functional or Sequential.
    """
    values = _connected(model)
    for value in values:
        _settle(value)
    return values


def _connected(model: keras.Model) -> list[Value]:
    values = [Value(tensor.name) for tensor in as_functional(model).inputs]
    times: Counter[str] = Counter()

    def compute(path: str, node: Any, inputs: list[Value]) -> list[Value]:
        times[path] += 1
        path = path if times[path] == 1 else f"{path}#{times[path]}"
        found = [Value(path, node.operation, list(inputs)) for _ in node.outputs]
        for value in inputs:
            value.consumers += found[:1]
        values.extend(found)
        return found

    for output in run_calls(model, list(values), compute):
        output.consumers.append(None)
    return values


def _settle(value: Value) -> None:
    operation = value.operation
    if isinstance(operation, _NOTHING_IN_INFERENCE) or _is_linear(operation):
        value.is_rounded, value.same_range = False, value.inputs[0].same_range
    elif isinstance(operation, _SAME_RANGE):
        value.same_range = value.inputs[0].same_range
    only = value.consumers[0] if len(value.consumers) == 1 else None
    if only is None:
        return
    if _folds(value, only.operation):
        value.normalization = only.operation
    elif not (_takes_relu(value) and _is_relu(only.operation)):
        return
    value.is_rounded, only.origin = False, value.origin


def _folds(value: Value, following: Any) -> bool:
    """Whether the kernels before a normalization can take it in."""
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


def kept_whole(values: Iterable[Value]) -> set[Value]:
    """The values, and what reads them: computed in float, none of them is rounded."""
    chosen = set(values)
    return chosen | {r for value in chosen for r in value.readers() if r is not None}
