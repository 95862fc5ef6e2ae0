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
        is_first = self.data_format == "channels_first"
        outputs = tf.nn.convolution(
            keras.ops.moveaxis(inputs, 1, -1) if is_first else inputs,
            kernel,
            strides=self.strides,
            padding=self.padding.upper(),
            data_format={1: "NWC", 2: "NHWC"}[len(self.strides)],
            dilations=self.dilation_rate,
        )
        return keras.ops.moveaxis(outputs, -1, 1) if is_first else outputs


class Conv1D(_PlainConvolution, keras.layers.Conv1D):
    """See `_PlainConvolution`."""


class Conv2D(_PlainConvolution, keras.layers.Conv2D):
    """See `_PlainConvolution`."""


class Conv2DTranspose(keras.layers.Conv2DTranspose):
    """A transposed convolution that pads what its kernel does not reach by itself.

    Where its output is larger than that, the converter writes a negative padding, which
    ONNX does not allow.
    """

    def call(self, inputs: Any) -> Any:
        """See `keras.layers.Conv2DTranspose`."""
        whole = self.compute_output_shape(inputs.shape)
        reached = _reached(self, inputs.shape)
        filled = [min(pair) for pair in zip(whole[1:3], reached, strict=True)]
        outputs = tf.nn.conv_transpose(
            inputs,
            self.kernel,
            (tf.shape(inputs)[0], *filled, self.filters),
            self.strides,
            padding=self.padding.upper(),
            data_format="NHWC",
            dilations=self.dilation_rate,
        )
        missing = [(0, size - of) for size, of in zip(whole[1:3], filled, strict=True)]
        outputs = tf.pad(outputs, [(0, 0), *missing, (0, 0)])
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs)


def _reached(layer: keras.layers.Conv2DTranspose, shape: Any) -> list[int]:
    """Rows and columns that the kernel of a transposed convolution reaches."""
    return [
        (size - 1) * stride + (kernel - 1) * dilation + 1
        for size, stride, kernel, dilation in zip(
            shape[1:3],
            layer.strides,
            layer.kernel_size,
            layer.dilation_rate,
            strict=True,
        )
    ]


def _is_padded(layer: keras.Layer) -> bool:
    """Whether an output of a transposed convolution is larger than its kernel fills."""
    last = getattr(layer, "data_format", None) == "channels_last"
    if type(layer) is not keras.layers.Conv2DTranspose or not last:
        return False
    shapes = [node.input_tensors[0].shape for node in layer._inbound_nodes]
    return any(
        None not in shape[1:3]
        and any(
            size > of
            for size, of in zip(
                layer.compute_output_shape(shape)[1:3],
                _reached(layer, shape),
                strict=True,
            )
        )
        for shape in shapes
    )


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
    if _is_padded(layer):
        return Conv2DTranspose
    if getattr(layer, "groups", 1) > 1:
        ours = {keras.layers.Conv1D: Conv1D, keras.layers.Conv2D: Conv2D}
        return ours.get(type(layer), type(layer))
    return type(layer)


def _has_gelu(layer: keras.Layer) -> bool:
    return getattr(layer, "activation", None) is keras.activations.gelu
