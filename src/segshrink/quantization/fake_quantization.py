"""Fake-quantized models, which compute as their int8 files will."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from segshrink.errors import UsageError
from segshrink.formats import Format
from segshrink.models.calls import arguments_in_inference, run_calls
from segshrink.quantization.fake_quantized_layers import (
    LARGEST_WEIGHT,
    FakeQuantizedActivation,
    FakeQuantizedLayer,
    kernels_of,
)
from segshrink.quantization.structure import Value, values_of

Ranges = dict[str, tuple[float, float]]
"""Lowest and highest value of each quantized tensor, by the path of its call."""


def observed_ranges(
    model: keras.Model, images: np.ndarray, *, percentile: float = 100.0
) -> Ranges:
    """Range of each tensor of an int8 file over some images.

    Args:
        model: Functional or Sequential model of one image, float32.
        images: uint8 `(images, height, width, 3)`, at least one.
        percentile: in (50, 100]. 100 is the lowest and the highest value that occurs.
            Less is the mean over images of that percentile and, for the low end, of its
            counterpart: rare values are clipped in favour of finer steps.

    Returns:
        Ranges by path; see `values_of` for which tensors have one.

    Raises:
        ModelError: if the model is not Functional or Sequential.
    """
    ends: dict[str, list[np.ndarray]] = {}
    for image in images:
        for path, tensor in quantized_tensors(model, image):
            shares = (100 - percentile, percentile)
            # A percentile sorts the values, which the ends alone do not need.
            extremes = (tensor.min(), tensor.max())
            pair = extremes if percentile == 100 else np.percentile(tensor, shares)
            ends.setdefault(path, []).append(np.asarray(pair))
    if percentile == 100:
        joined = {path: (min(x[:, 0]), max(x[:, 1])) for path, x in _stacked(ends)}
    else:
        joined = {path: tuple(x.mean(axis=0)) for path, x in _stacked(ends)}
    return {path: (float(low), float(high)) for path, (low, high) in joined.items()}


def _stacked(ends: dict[str, list[np.ndarray]]) -> Iterator[tuple[str, np.ndarray]]:
    for path, pairs in ends.items():
        yield path, np.stack(pairs)


def quantized_tensors(
    model: keras.Model, image: np.ndarray
) -> list[tuple[str, np.ndarray]]:
    """Float values of the tensors that an int8 file quantizes, for one image.

    Args:
        model: Functional or Sequential model of one image.
        image: `(height, width, 3)`.

    Returns:
        (path, float32 `(1, ...)`) of each in order.
    """
    order = iter(values_of(model))
    tensors: list[tuple[str, np.ndarray]] = []

    def note(tensor: Any) -> None:
        value = next(order)
        if value.is_quantized:
            tensors.append((value.path, ops.convert_to_numpy(tensor)))

    def compute(path: str, node: Any, inputs: list[Any]) -> list[Any]:
        outputs = call(node, inputs)
        for output in outputs:
            note(output)
        return outputs

    pixels = ops.convert_to_tensor(image[None].astype(np.float32))
    note(pixels)
    run_calls(model, [pixels], compute)
    return tensors


def call(node: Any, inputs: list[Any]) -> list[Any]:
    """Outputs of a call in inference."""
    arguments, keywords = arguments_in_inference(node, inputs)
    return keras.tree.flatten(node.operation(*arguments, **keywords))


class FakeQuantizedModel:
    """A model that computes as its int8 file will, with the variables of the model.

    Training `quantized.model` is quantization-aware training of the model itself:
    kernels are rounded per output channel and tensors each as a whole, in ranges that
    are trained too. Normalization keeps its statistics. The model gets better weights
    and no new layers; `ranges` is all that its export needs besides.

    Args:
        model: Functional or Sequential model of one image, float32.
        ranges: ranges of its tensors, from `observed_ranges`.
        format: format of the file, one of `LARGEST_WEIGHT`.

    Attributes:
        model: Keras model with the input and output of the given one.
        values: its tensors.
        before_activation: output of each layer with kernels, normalized, by path.

    Raises:
        ModelError: if the model is not Functional or Sequential.
        UsageError: if no int8 files are written in that format.
    """

    def __init__(
        self,
        model: keras.Model,
        ranges: Mapping[str, tuple[float, float]],
        format: str = "litert",
    ) -> None:
        if format not in LARGEST_WEIGHT:
            raise UsageError(
                f"format must be one of {', '.join(LARGEST_WEIGHT)}, got {format!r}."
            )
        self.values = values_of(model)
        self.before_activation: dict[str, Any] = {}
        self._largest = LARGEST_WEIGHT[Format(format)]
        self._given_ranges = ranges
        self._layers: dict[str, FakeQuantizedLayer] = {}
        self._quantizers: dict[Value, FakeQuantizedActivation] = {}
        order = iter(self.values)

        def compute(path: str, node: Any, inputs: list[Any]) -> list[Any]:
            values = [next(order) for _ in node.outputs]
            outputs = self._outputs(values[0], node, inputs)
            return [self._quantize(*x) for x in zip(values, outputs, strict=True)]

        images = keras.Input(model.inputs[0].shape[1:], name=model.inputs[0].name)
        start = self._quantize(next(order), images)
        logits = run_calls(model, [start], compute)[0]
        self.model = keras.Model(images, logits, name=f"{model.name}_int8")

    def _outputs(self, value: Value, node: Any, inputs: list[Any]) -> list[Any]:
        """Outputs of a call, before they are quantized."""
        if kernels_of(node.operation):
            layer = FakeQuantizedLayer(
                node.operation,
                value.normalization,
                largest=self._largest,
                name=f"int8_{_name(value.path)}",
            )
            self._layers[value.path] = layer
            self.before_activation[value.path] = layer(inputs[0])
            return [self.before_activation[value.path]]
        if any(x.normalization is node.operation for x in value.inputs):
            return [inputs[0]]
        return call(node, inputs)

    def _quantize(self, value: Value, tensor: Any) -> Any:
        if not value.is_quantized or value.path not in self._given_ranges:
            return tensor
        owner = value.range_owner
        if owner not in self._quantizers:
            low, high = self._given_ranges[owner.path]
            self._quantizers[owner] = FakeQuantizedActivation(
                low, high, name=f"quantized_{_name(owner.path)}"
            )
        return self._quantizers[owner](tensor)

    @property
    def ranges(self) -> Ranges:
        """The range of each quantized tensor as it is now, by path."""
        return {
            value.path: self._quantizers[value.range_owner].ends
            for value in self.values
            if value.is_quantized and value.range_owner in self._quantizers
        }

    @property
    def candidates(self) -> list[Value]:
        """Computed tensors that are quantized in ranges of their own."""
        return [
            value
            for value in self.values
            if value.operation is not None
            and value.is_quantized
            and value.range_owner is value
            and value in self._quantizers
        ]

    def keep_in_float(self, paths: Collection[str]) -> None:
        """Compute the tensors of these paths in float, and only these.

        A tensor is still quantized where another one is its input or its consumer.
        """
        for value in self.values:
            if value.path in self._layers:
                in_float = self._end_of(value).path in paths
                self._layers[value.path].active.assign(0.0 if in_float else 1.0)
        for owner, quantizer in self._quantizers.items():
            sharing = {
                x for x in self.values if x.is_quantized and x.range_owner is owner
            }
            consumers = {each for x in sharing for each in x.quantized_consumers()}
            in_float = all(x is None or x.path in paths for x in sharing | consumers)
            quantizer.active.assign(0.0 if in_float else 1.0)

    def all_in_float(self) -> None:
        """Quantize nothing: compute as the model itself."""
        self.keep_in_float({value.path for value in self.values})

    def quantize_only(self, value: Value) -> None:
        """Quantize one tensor, and the kernels that it is computed with."""
        self.all_in_float()
        if value.range_owner in self._quantizers:
            self._quantizers[value.range_owner].active.assign(1.0)
        if value.origin.path in self._layers:
            self._layers[value.origin.path].active.assign(1.0)

    def _end_of(self, value: Value) -> Value:
        """The quantized value that the call of a layer with kernels ends in."""
        while not value.is_quantized and len(value.consumers) == 1:
            (consumer,) = value.consumers
            if consumer is None:
                break
            value = consumer
        return value


def _name(path: str) -> str:
    # Underscores would clash: Keras itself names layers "conv" and "conv_2".
    return path.replace("/", ".").replace("#", ".")
