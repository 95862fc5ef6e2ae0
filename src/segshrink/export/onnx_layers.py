"""Layers of the same weights and function that the ONNX converter supports."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf


class _PlainConvolution:
    """A convolution by TensorFlow's own operation, also with groups.

    TensorFlow cannot run that operation grouped on a processor, but only its graph is
    converted.
    """

    strides: tuple[int, ...]
    dilation_rate: tuple[int, ...]
    padding: str
    data_format: str

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """See `keras.layers.Conv2D`."""
        return tf.nn.convolution(
            inputs,
            kernel,
            strides=self.strides,
            padding=self.padding.upper(),
            data_format={1: "NWC", 2: "NHWC"}[len(self.strides)],
            dilations=self.dilation_rate,
        )


class Conv1D(_PlainConvolution, keras.layers.Conv1D):
    """See `_PlainConvolution`."""


class Conv2D(_PlainConvolution, keras.layers.Conv2D):
    """See `_PlainConvolution`."""


class Normalization(keras.layers.Normalization):
    """Normalization that computes with its weights, or with constants of the graph."""

    def call(self, inputs: Any) -> Any:
        """See `keras.layers.Normalization`."""
        if self.input_mean is None:
            self.finalize_state()
        else:
            self.mean: Any = np.asarray(self.mean)
            self.variance: Any = np.asarray(self.variance)
        return super().call(inputs)


def gelu(values: Any) -> Any:
    """GELU by erf, since the converter lacks the erfc that Keras uses."""
    return values * (1 + tf.math.erf(values / np.sqrt(2).astype(np.float32))) / 2


def needs_stand_in(layer: keras.Layer) -> bool:
    """Whether the converter does not support a layer as it is."""
    return _class(layer) is not type(layer) or _has_gelu(layer)


def stand_in(layer: keras.Layer) -> keras.Layer:
    """A layer of the same config and function, without weights yet."""
    other = _class(layer).from_config(layer.get_config())
    if _has_gelu(layer):
        other.activation = gelu
    return other


def _class(layer: keras.Layer) -> type[keras.Layer]:
    if type(layer) is keras.layers.Normalization:
        return Normalization
    if getattr(layer, "groups", 1) > 1:
        ours = {keras.layers.Conv1D: Conv1D, keras.layers.Conv2D: Conv2D}
        return ours.get(type(layer), type(layer))
    return type(layer)


def _has_gelu(layer: keras.Layer) -> bool:
    return getattr(layer, "activation", None) is keras.activations.gelu
