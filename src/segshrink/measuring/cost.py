"""Cost of a model by its shape alone: parameters and multiply-accumulates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from segshrink.errors import ModelError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ModelSize:
    """Size of a model, independent of machine and file format.

    Attributes:
        parameters: weights, those of normalization statistics included.
        macs: multiply-accumulate operations for one image; one MAC is two FLOPs.
    """

    parameters: int
    macs: int


def count_macs(model: keras.Model) -> ModelSize:
    """Count the parameters of `model` and its multiply-accumulates for one image.

    Counted exactly from kernels and output shapes: convolutions of every kind and rank
    with groups, strides and dilation, Dense, EinsumDense and MultiHeadAttention, in
    nested models too, once for every use of a shared layer, and for every window where
    `keras.ops.reshape` lays windows of an image along the batch. A multiplication with
    padding counts. Everything else (bias, normalization, activation, pooling,
    upsampling, addition, and layers of classes unknown here) counts 0: in an exported
    file it is folded into its neighbours or small beside them.

    Args:
        model: functional or sequential model whose images have a fixed size.

    Raises:
        ValueError: if `model` is subclassed, not built, or of variable image size.
    """
    return ModelSize(parameters=model.count_params(), macs=_macs(model))


def _macs(model: keras.Model) -> int:
    counted, _ = _counted(model, Fraction(1))
    return round(counted)


def _counted(model: keras.Model, entries: Fraction) -> tuple[Fraction, Fraction]:
    """MACs of an image that takes `entries` of the batch, and entries of its output."""
    from keras import Model

    total = Fraction(0)
    held: dict[int, Fraction] = {}
    for node in _nodes(model):
        layer, outputs = node.operation, node.output_tensors
        entering = [held.get(id(tensor), entries) for tensor in node.input_tensors]
        leaving = max(entering, default=entries)
        if isinstance(layer, Model):
            inside, leaving = _counted(layer, leaving)
            total += inside
        elif outputs and node.input_tensors:
            shapes = [tensor.shape for tensor in node.input_tensors]
            for product in multiplications(layer, shapes, outputs[0].shape):
                sizes = (layer.weights[p].shape[axis] for p, axis in product.axes)
                total += leaving * product.times * math.prod(sizes)
            leaving *= batch_factor(layer, shapes[0], outputs[0].shape)
        held |= {id(tensor): leaving for tensor in outputs}
    return total, held.get(id(model.outputs[0]), entries)


def batch_factor(operation: Any, before: tuple, after: tuple) -> Fraction:
    """Factor by which an operation multiplies the entries of the batch.

    Args:
        operation: a layer or operation.
        before: shape of its input, batch first.
        after: shape of its output, batch first.
    """
    if type(operation).__name__ != "Reshape" or None in (*before[1:], *after[1:]):
        return Fraction(1)
    return Fraction(math.prod(before[1:]), max(1, math.prod(after[1:])))


def _nodes(model: keras.Model) -> list:
    """Every use of a layer in `model`, in order; a layer used twice has two."""
    from segshrink.models.calls import as_functional, nodes_in_order

    try:
        return list(nodes_in_order(as_functional(model)))
    except ModelError as error:
        raise ValueError(
            f"model {model.name} must be functional, or sequential and built; got "
            f"{type(model).__name__}, whose layers are only known when it runs."
        ) from error


@dataclass(frozen=True)
class Multiplication:
    """Multiply-accumulates of one call of a layer: `times` * the sizes of `axes`.

    Attributes:
        times: repetitions for one image, such as the number of output positions.
        axes: pairs (position in `layer.weights`, axis of that weight).
    """

    times: int
    axes: tuple[tuple[int, int], ...]


def multiplications(
    layer: Any, input_shapes: Sequence[tuple], output_shape: tuple
) -> tuple[Multiplication, ...]:
    """Multiplications of one call of `layer`, by the axes of its weights.

    Args:
        layer: a built Keras layer, or an operation (which has no weights).
        input_shapes: shape of each input, batch first.
        output_shape: shape of the output, batch first.

    Raises:
        ValueError: if a size that counts is not fixed.
    """
    from keras import layers

    if isinstance(layer, layers.MultiHeadAttention):
        return _attention(layer, input_shapes, output_shape)
    if isinstance(layer, (layers.SeparableConv1D, layers.SeparableConv2D)):
        times = _positions(layer, output_shape)
        kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
        return tuple(_whole(layer, kernel, times) for kernel in kernels)
    transposed = (layers.Conv1DTranspose, layers.Conv2DTranspose)
    if isinstance(layer, (*transposed, layers.Conv3DTranspose)):
        # Each input pixel is spread through the whole kernel.
        return (_whole(layer, _kernel(layer), _positions(layer, input_shapes[0])),)
    convolutions = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
    depthwise = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
    if isinstance(layer, convolutions + depthwise):
        # The kernel of a grouped convolution holds the inputs of one group only, which
        # each output channel is multiplied with.
        return (_whole(layer, _kernel(layer), _positions(layer, output_shape)),)
    if isinstance(layer, layers.Dense):
        times = _product(layer, output_shape, output_shape[1:-1])
        return (_whole(layer, _kernel(layer), times),)
    if isinstance(layer, layers.EinsumDense):
        times = _einsum_times(layer, input_shapes[0])
        return (_whole(layer, _kernel(layer), times),)
    return ()


def _whole(layer: Any, weight: Any, times: int) -> Multiplication:
    position = _position(layer, weight)
    return Multiplication(times, tuple((position, a) for a in range(len(weight.shape))))


def _kernel(layer: Any) -> Any:
    """The kernel's variable; with LoRA, `layer.kernel` is computed from several."""
    return getattr(layer, "_kernel", layer.kernel)


def _position(layer: Any, weight: Any) -> int:
    return next(p for p, other in enumerate(layer.weights) if other is weight)


def _einsum_times(layer: Any, input_shape: tuple) -> int:
    """Product of the axes that the weight of an EinsumDense does not have."""
    from_input, weight = layer.equation.split("->")[0].split(",")
    letters = from_input.replace("...", "")
    sizes = input_shape[len(input_shape) - len(letters) :]
    if "..." in from_input:
        leading = input_shape[1 : len(input_shape) - len(letters)]
    else:
        leading, letters, sizes = (), letters[1:], sizes[1:]
    free = [s for letter, s in zip(letters, sizes, strict=True) if letter not in weight]
    return _product(layer, input_shape, (*leading, *free))


def _attention(
    layer: Any, input_shapes: Sequence[tuple], output_shape: tuple
) -> tuple[Multiplication, ...]:
    """Projections, and the scores and sums over all pairs of positions."""
    queries = _product(layer, output_shape, output_shape[1:-1])
    value_shape = input_shapes[1] if len(input_shapes) > 1 else input_shapes[0]
    keys = _product(layer, value_shape, value_shape[1:-1])
    query, key = layer.query_dense.kernel, layer.key_dense.kernel
    value, output = layer.value_dense.kernel, layer.output_dense.kernel
    head_axes = [
        tuple((_position(layer, kernel), len(kernel.shape) + a) for a in (-2, -1))
        for kernel in (query, value)
    ]
    pairs = queries * keys
    return (
        _whole(layer, query, queries),
        _whole(layer, key, keys),
        _whole(layer, value, keys),
        _whole(layer, output, queries),
        *(Multiplication(pairs, axes) for axes in head_axes),
    )


def _positions(layer: Any, shape: tuple) -> int:
    first = getattr(layer, "data_format", None) == "channels_first"
    return _product(layer, shape, shape[2:] if first else shape[1:-1])


def _product(layer: Any, shape: tuple, sides: tuple) -> int:
    if None in sides:
        raise ValueError(
            f"layer {layer.name} has shape {tuple(shape)}: multiply-accumulates can be "
            "counted for a fixed image size only."
        )
    return math.prod(sides)
