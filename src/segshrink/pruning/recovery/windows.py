"""Convolutions and dense layers as matrix products at chosen output positions."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]

_NOTHING = -1
"""Stands for an index where the window reaches into the padding, which is 0."""


def is_linear(layer: Any) -> bool:
    """Whether the layer, before its activation, can be written as a matrix product.

    Custom subclasses may compute anything, so only Keras's own classes count.
    """
    return (
        type(layer) in _TAPS
        and tuple(getattr(layer, "output_padding", None) or ()) == ()
        and not (type(layer) in _TRANSPOSED and max(layer.dilation_rate) > 1)
    )


def input_axis(layer: Any) -> int:
    """The axis of the kernel that runs over input channels."""
    return len(layer.kernel.shape) - (1 if type(layer) in _TRANSPOSED else 2)


def output_axis(layer: Any) -> int:
    """The axis of the kernel that runs over output channels."""
    return len(layer.kernel.shape) - (2 if type(layer) in _TRANSPOSED else 1)


def kernel_matrix(layer: Any, kernel: np.ndarray) -> np.ndarray:
    """The kernel as `(window, input channels of a group, output channels)`."""
    if type(layer) in _TRANSPOSED:
        kernel = np.swapaxes(kernel, -1, -2)
    return kernel.reshape(-1, *kernel.shape[-2:])


def kernel_from_matrix(layer: Any, matrix: np.ndarray) -> np.ndarray:
    """The inverse of `kernel_matrix`, for the layer's own kernel shape."""
    if type(layer) in _TRANSPOSED:
        matrix = np.swapaxes(matrix, -1, -2)
    return matrix.reshape(tuple(layer.kernel.shape))


def channels_last(layer: Any, inputs: np.ndarray) -> np.ndarray:
    """Inputs as `(batch, *positions, channels)`; a dense layer's as one row each."""
    if type(layer) is keras.layers.Dense:
        return inputs.reshape(len(inputs), -1, inputs.shape[-1])
    first = layer.data_format == "channels_first"
    return np.moveaxis(inputs, 1, -1) if first else inputs


def window_taps(layer: Any, sizes: tuple[int, ...]) -> list[Indices]:
    """For each axis, the input indices `(output positions, window)`, -1 for padding.

    Args:
        layer: a layer for which `is_linear` holds.
        sizes: size of each axis of the input between batch and channels.
    """
    taps = _TAPS[type(layer)]
    return [taps(layer, axis, size) for axis, size in enumerate(sizes)]


def rows_at(inputs: np.ndarray, taps: list[Indices], positions: Indices) -> np.ndarray:
    """Inputs of the layer for its outputs at some positions.

    Args:
        inputs: `(batch, *positions, channels)`.
        taps: of `window_taps`.
        positions: int array `(batch, count)`, row-major in the layer's output.

    Returns:
        Array `(batch * count, window, channels)`.
    """
    places = np.unravel_index(positions, [len(along) for along in taps])
    index = [np.arange(len(inputs)).reshape(-1, *[1] * (len(taps) + 1))]
    inside = np.ones([1] * (len(taps) + 2), dtype=bool)
    for axis, (along, place) in enumerate(zip(taps, places, strict=True)):
        shape = [1] * len(taps)
        shape[axis] = along.shape[1]
        read = along[place].reshape(*positions.shape, *shape)
        index.append(np.maximum(read, 0))
        inside = inside & (read != _NOTHING)
    rows = np.where(inside[..., np.newaxis], inputs[tuple(index)], 0)
    return rows.reshape(positions.size, -1, inputs.shape[-1])


def _dense_taps(layer: Any, axis: int, size: int) -> Indices:
    return np.arange(size)[:, np.newaxis]


def _convolution_taps(layer: Any, axis: int, size: int) -> Indices:
    stride, reach = layer.strides[axis], layer.dilation_rate[axis]
    window = (layer.kernel_size[axis] - 1) * reach + 1
    before, count = 0, (size - window) // stride + 1
    if layer.padding != "valid":
        count = -(-size // stride)
        before = max((count - 1) * stride + window - size, 0) // 2
    if layer.padding == "causal":
        before = window - 1
    starts = np.arange(count) * stride - before
    read = starts[:, np.newaxis] + np.arange(0, window, reach)
    return np.where((read >= 0) & (read < size), read, _NOTHING)


def _transposed_taps(layer: Any, axis: int, size: int) -> Indices:
    """Output p takes tap k of input i where p = i * stride + k - padding before."""
    stride, window = layer.strides[axis], layer.kernel_size[axis]
    excess = max(window - stride, 0)
    same = layer.padding == "same"
    count = size * stride + (0 if same else excess)
    before = excess // 2 if same else 0
    steps = np.arange(count)[:, np.newaxis] + before - np.arange(window)
    read = steps // stride
    hit = (steps % stride == 0) & (read >= 0) & (read < size)
    return np.where(hit, read, _NOTHING)


_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
_TAPS: dict[type, Callable[[Any, int, int], Indices]] = {
    keras.layers.Dense: _dense_taps,
    keras.layers.Conv1D: _convolution_taps,
    keras.layers.Conv2D: _convolution_taps,
    keras.layers.Conv3D: _convolution_taps,
    **dict.fromkeys(_TRANSPOSED, _transposed_taps),
}
