"""A model that computes as its int8 file will, with the variables of the model."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from segshrink.errors import UsageError
from segshrink.models.calls import arguments_of, run_calls
from segshrink.quantization.rounding import (
    LARGEST_WEIGHT,
    RoundedActivation,
    RoundedConvolution,
    kernels_of,
)
from segshrink.quantization.structure import Value, values_of

Ranges = dict[str, tuple[float, float]]
"""Lowest and highest value of each rounded tensor, by the path of its call."""


def observed_ranges(
    model: keras.Model, images: np.ndarray, *, percentile: float = 100.0
) -> Ranges:
    """The range that each tensor of an int8 file needs for some images.

    Args:
        model: Functional or Sequential model of one image, float32.
        images: uint8 `(images, height, width, 3)`, at least one.
        percentile: in (50, 100]. 100 is the lowest and the highest value that occurs.
            Less is the mean over images of that percentile and, for the low end, of the
            one as far from 0: rare values are given up for finer steps.

    Returns:
        Ranges by path; see `values_of` for which tensors have one.

    Raises:
        ModelError: if the model is not Functional or Sequential.
    """
    ends: dict[str, list[np.ndarray]] = {}
    for image in images:
        for path, tensor in rounded_tensors(model, image):
            shares = (100 - percentile, percentile)
            # Percentiles sort; the ends alone need not.
            here = (tensor.min(), tensor.max())
            found = here if percentile == 100 else np.percentile(tensor, shares)
            ends.setdefault(path, []).append(np.asarray(found))
    if percentile == 100:
        joined = {path: (min(x[:, 0]), max(x[:, 1])) for path, x in _stacked(ends)}
    else:
        joined = {path: tuple(x.mean(axis=0)) for path, x in _stacked(ends)}
    return {path: (float(low), float(high)) for path, (low, high) in joined.items()}


def _stacked(ends: dict[str, list[np.ndarray]]) -> Iterator[tuple[str, np.ndarray]]:
    for path, pairs in ends.items():
        yield path, np.stack(pairs)


def rounded_tensors(
    model: keras.Model, image: np.ndarray
) -> list[tuple[str, np.ndarray]]:
    """What an int8 file holds as int8, in float, for one image `(height, width, 3)`.

    Returns:
        (path, float32 `(1, ...)`) of each in order.
    """
    order = iter(values_of(model))
    found: list[tuple[str, np.ndarray]] = []

    def note(tensor: Any) -> None:
        value = next(order)
        if value.is_rounded:
            found.append((value.path, ops.convert_to_numpy(tensor)))

    def compute(path: str, node: Any, inputs: list[Any]) -> list[Any]:
        outputs = call(node, inputs)
        for output in outputs:
            note(output)
        return outputs

    pixels = ops.convert_to_tensor(image[None].astype(np.float32))
    note(pixels)
    run_calls(model, [pixels], compute)
    return found


def call(node: Any, inputs: list[Any]) -> list[Any]:
    """The outputs of a call in inference."""
    arguments, keywords = arguments_of(node, inputs)
    if isinstance(node.operation, layers.BatchNormalization):
        keywords = {**keywords, "training": False}
    return keras.tree.flatten(node.operation(*arguments, **keywords))


class FakeQuantizedModel:
    """A model that computes as its int8 file will, with the variables of the model.

    Training `twin.model` trains the model itself, for what rounding does to it: kernels
    are rounded per output channel and tensors each as a whole, in ranges that are
    trained too. Normalization keeps its statistics. Nothing is left in the model but
    better weights; `ranges` are what its export needs beside them.

    Args:
        model: Functional or Sequential model of one image, float32.
        ranges: of its tensors, from `observed_ranges`.
        format: of the file, "litert", "onnx" or "openvino".

    Attributes:
        model: Keras model with the input and output of the given one.
        values: its tensors.
        before_activation: what each layer with kernels gives, normalized, by path.

    Raises:
        ModelError: if the model is not Functional or Sequential.
        UsageError: if no int8 files are written in that format.
    """

    def __init__(
        self, model: keras.Model, ranges: Mapping[str, Any], format: str = "litert"
    ) -> None:
        if format not in LARGEST_WEIGHT:
            raise UsageError(
                f"format must be {', '.join(LARGEST_WEIGHT)}, got {format!r}."
            )
        self.values = values_of(model)
        self._kernels: dict[str, RoundedConvolution] = {}
        self._rounding: dict[Value, RoundedActivation] = {}
        self._ranges = ranges
        outputs: dict[str, Any] = {}
        order = iter(self.values)

        def compute(path: str, node: Any, inputs: list[Any]) -> list[Any]:
            value = next(order)
            outputs = [value, *(next(order) for _ in node.outputs[1:])]
            if kernels_of(node.operation):
                layer = RoundedConvolution(
                    node.operation,
                    value.normalization,
                    largest=LARGEST_WEIGHT[format],
                    name=f"int8_{_name(value.path)}",
                )
                self._kernels[value.path] = layer
                found = [layer(inputs[0])]
                self.before_activation[value.path] = found[0]
            elif any(x.normalization is node.operation for x in value.inputs):
                found = [inputs[0]]
            else:
                found = call(node, inputs)
            return [self._rounded(*x) for x in zip(outputs, found, strict=True)]

        self.before_activation = outputs
        images = keras.Input(model.inputs[0].shape[1:], name=model.inputs[0].name)
        start = self._rounded(next(order), images)
        logits = run_calls(model, [start], compute)[0]
        self.model = keras.Model(images, logits, name=f"{model.name}_int8")

    def _rounded(self, value: Value, tensor: Any) -> Any:
        if not value.is_rounded or value.path not in self._ranges:
            return tensor
        owner = value.same_range
        if owner not in self._rounding:
            low, high = self._ranges[owner.path]
            self._rounding[owner] = RoundedActivation(
                low, high, name=f"rounded_{_name(owner.path)}"
            )
        return self._rounding[owner](tensor)

    @property
    def ranges(self) -> Ranges:
        """The range of each rounded tensor as it is now, by path."""
        return {
            value.path: self._rounding[value.same_range].ends
            for value in self.values
            if value.is_rounded and value.same_range in self._rounding
        }

    @property
    def candidates(self) -> list[Value]:
        """Computed tensors that are rounded in ranges of their own."""
        return [
            value
            for value in self.values
            if value.operation is not None
            and value.is_rounded
            and value.same_range is value
            and value in self._rounding
        ]

    def keep_in_float(self, paths: Collection[str]) -> None:
        """Compute the tensors of these paths in float, and only these.

        A tensor is rounded all the same where anything else than them gives or reads
        it.
        """
        for value in self.values:
            if value.path in self._kernels:
                in_float = self._end_of(value).path in paths
                self._kernels[value.path].active.assign(0.0 if in_float else 1.0)
        for owner, rounding in self._rounding.items():
            sharing = [x for x in self.values if x.is_rounded and x.same_range is owner]
            touching = {r for x in sharing for r in x.readers()} | set(sharing)
            in_float = all(x is None or x.path in paths for x in touching)
            rounding.active.assign(0.0 if in_float else 1.0)

    def all_in_float(self) -> None:
        """Round nothing: the model as it is."""
        self.keep_in_float({value.path for value in self.values})

    def round_only(self, value: Value) -> None:
        """Round one tensor, and the kernels that it is computed with."""
        self.all_in_float()
        if value.same_range in self._rounding:
            self._rounding[value.same_range].active.assign(1.0)
        if value.origin.path in self._kernels:
            self._kernels[value.origin.path].active.assign(1.0)

    def _end_of(self, value: Value) -> Value:
        """The rounded value that a layer with kernels ends in."""
        while not value.is_rounded and len(value.consumers) == 1 and value.consumers[0]:
            value = value.consumers[0]
        return value


def _name(path: str) -> str:
    # Not by underscores: Keras itself calls layers "conv" and "conv_2".
    return path.replace("/", ".").replace("#", ".")
