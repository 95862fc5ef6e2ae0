"""Fake quantization: int8 arithmetic in floating point, with gradients.

Weights are symmetric with one scale per output channel, activations asymmetric with one
scale per tensor, as in the files that exports write. Reference: Jacob et al.,
Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference, 2018.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from segshrink.formats import Format

_LEVELS = 255
# Largest weight of a channel as int8, by the format of the file. The files of ONNX
# Runtime's quantizer leave a bit to processors that add two products in 16 bits.
LARGEST_WEIGHT = {Format.LITERT: 127, Format.ONNX: 64, Format.OPENVINO: 64}
_TINY = 1e-8
# Ranges move that much faster than kernels; calibrated ones are often twice too wide.
_RANGE_STEP = 10.0


def fake_quantize_activation(x: Any, low: Any, high: Any) -> Any:
    """Round values to those that asymmetric int8 with one scale per tensor can hold.

    The range is widened to hold 0, which has a level of its own. Gradients pass through
    the rounding as if it were not there; values beyond the range give theirs to its end
    (Bhalgat et al., LSQ+: Improving Low-Bit Quantization Through Learnable Offsets and
    Better Initialization, 2020).

    Args:
        x: tensor of any shape.
        low: scalar, lowest value of the range.
        high: scalar, highest value.

    Returns:
        Tensor of the shape of `x`, of at most 256 different values.
    """
    low, high = ops.minimum(low, 0.0), ops.maximum(high, 0.0)
    scale = ops.maximum((high - low) / _LEVELS, _TINY)
    zero_point = _rounded(-low / scale)
    levels = ops.clip(_rounded(x / scale) + zero_point, 0.0, float(_LEVELS))
    return (levels - zero_point) * scale


def fake_quantize_kernel(
    kernel: Any,
    channel_axes: Sequence[int],
    *,
    largest: int = LARGEST_WEIGHT[Format.LITERT],
) -> Any:
    """Round weights to those that symmetric int8 with one scale per channel can hold.

    The scale is that of the largest weight of the channel, as exports choose it.

    Args:
        kernel: tensor.
        channel_axes: axes of the output channels.
        largest: int8 value of the largest weight of a channel, see `LARGEST_WEIGHT`.

    Returns:
        Tensor of the shape of `kernel`.
    """
    within = [axis for axis in range(len(kernel.shape)) if axis not in channel_axes]
    furthest = ops.max(ops.abs(kernel), axis=within, keepdims=True)
    scale = ops.stop_gradient(ops.maximum(furthest / largest, _TINY))
    return _rounded(kernel / scale) * scale


def _rounded(x: Any) -> Any:
    return x + ops.stop_gradient(ops.round(x) - x)


class FakeQuantizedActivation(layers.Layer):
    """Rounds a tensor to int8 within a trainable range.

    Each end of the range is the calibrated one times the exponential of a weight, so
    that a step of the optimizer changes ranges of all sizes alike (Jain et al., Trained
    Quantization Thresholds, 2020).

    Args:
        low: lowest value found in calibration; above 0 it is taken as 0.
        high: highest value; below 0 it is taken as 0.

    Attributes:
        active: weight; 0 lets the tensor pass as it is.
    """

    def __init__(self, low: float, high: float, **options: Any) -> None:
        super().__init__(**options)
        self._ends = min(low, 0.0), max(high, 0.0)
        self.range_low = self.add_weight(name="range_low", initializer="zeros")
        self.range_high = self.add_weight(name="range_high", initializer="zeros")
        self.active = self.add_weight(
            name="active", initializer="ones", trainable=False
        )
        self.built = True

    def call(self, x: Any) -> Any:
        """Round, unless `active` is 0."""
        low, high = self._ends
        low = low * ops.exp(_RANGE_STEP * self.range_low)
        high = high * ops.exp(_RANGE_STEP * self.range_high)
        return ops.where(self.active > 0, fake_quantize_activation(x, low, high), x)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the input."""
        return input_shape

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest value of the range as it is now."""
        weights = (self.range_low, self.range_high)
        below, above = (float(ops.convert_to_numpy(x)) for x in weights)
        low, high = self._ends
        return (
            low * math.exp(_RANGE_STEP * below),
            high * math.exp(_RANGE_STEP * above),
        )


class FakeQuantizedLayer(layers.Layer):
    """A layer whose kernels are rounded to int8, with the normalization after it.

    The normalization is multiplied into the kernel before that is rounded, as exports
    do, with the statistics of inference in training too.

    Args:
        layer: a layer with kernels, see `kernels_of`; its variables are used, not
            copied.
        normalization: BatchNormalization of its output, or None.
        largest: as for `fake_quantize_kernel`.

    Attributes:
        active: weight; 0 leaves the kernels as they are.
    """

    def __init__(
        self,
        layer: Any,
        normalization: Any = None,
        *,
        largest: int = LARGEST_WEIGHT[Format.LITERT],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.layer = layer
        self.normalization = normalization
        self.largest = largest
        self.active = self.add_weight(
            name="active", initializer="ones", trainable=False
        )
        self.built = True

    def call(self, x: Any) -> Any:
        """The layer's output, normalized."""
        values = {id(v): ops.convert_to_tensor(v) for v in self.layer.variables}
        factor, offset = _factor_and_offset(self.normalization)
        kernels = kernels_of(self.layer)
        for kernel, axes in kernels:
            value = values[id(kernel)]
            if factor is not None and kernel is kernels[-1][0]:
                value = value * _along(factor, value.shape, axes)
            rounded = fake_quantize_kernel(value, axes, largest=self.largest)
            values[id(kernel)] = ops.where(self.active > 0, rounded, value)
        bias = self.layer.bias
        if factor is not None and bias is not None:
            values[id(bias)] = values[id(bias)] * factor
        # The scope replaces only the variables that are listed.
        mapping = [(v, values[id(v)]) for v in self.layer.variables]
        with keras.StatelessScope(state_mapping=mapping):
            y = self.layer.call(x)
        return y if offset is None else y + offset

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the layer's output."""
        return self.layer.compute_output_shape(input_shape)


def kernels_of(layer: Any) -> list[tuple[Any, tuple[int, ...]]]:
    """Kernels of a layer and their axes of output channels; empty if it has none."""
    if isinstance(layer, layers.SeparableConv2D):
        return [(layer.depthwise_kernel, (2, 3)), (layer.pointwise_kernel, (3,))]
    if isinstance(layer, layers.DepthwiseConv2D):
        return [(layer.kernel, (2, 3))]
    if isinstance(layer, layers.Conv2DTranspose):
        return [(layer.kernel, (2,))]
    if isinstance(layer, layers.Conv2D):
        return [(layer.kernel, (3,))]
    if isinstance(layer, layers.Dense):
        return [(layer.kernel, (1,))]
    return []


def _along(factor: Any, shape: Sequence[int], axes: Sequence[int]) -> Any:
    """One factor per channel, in a shape that multiplies a kernel."""
    return ops.reshape(factor, [n if i in axes else 1 for i, n in enumerate(shape)])


def _factor_and_offset(normalization: Any) -> tuple[Any, Any]:
    """Factor and offset of a normalization in inference."""
    if normalization is None:
        return None, None
    variance = ops.convert_to_tensor(normalization.moving_variance)
    factor = ops.rsqrt(variance + normalization.epsilon)
    if normalization.scale:
        factor = factor * normalization.gamma
    offset = -ops.convert_to_tensor(normalization.moving_mean) * factor
    if normalization.center:
        offset = offset + normalization.beta
    return factor, offset
