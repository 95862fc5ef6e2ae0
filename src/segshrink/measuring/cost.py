"""What a model costs by its shape alone: parameters and multiply-accumulates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

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

    Counted exactly from kernels and output shapes: Conv2D, DepthwiseConv2D,
    SeparableConv2D, Conv2DTranspose and Dense, with groups, strides and dilation, in
    nested models too, and once for every use of a shared layer. A multiplication with
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
    from keras import Model

    total = 0
    for node in _nodes(model):
        layer, outputs = node.operation, node.output_tensors
        if isinstance(layer, Model):
            total += _macs(layer)
        elif outputs and node.input_tensors:
            total += _layer_macs(layer, node.input_tensors[0].shape, outputs[0].shape)
    return total


def _nodes(model: keras.Model) -> list:
    """Every use of a layer in `model`; a layer used twice has two."""
    # Keras tells of the single uses nowhere else; get_config() spells them as text.
    graph = getattr(model, "_functional", None) or model
    nodes_by_depth = getattr(graph, "_nodes_by_depth", None)
    if nodes_by_depth is None:
        raise ValueError(
            f"model {model.name} must be functional, or sequential and built; got "
            f"{type(model).__name__}, whose layers are only known when it runs."
        )
    return [node for nodes in nodes_by_depth.values() for node in nodes]


def _layer_macs(layer: keras.Layer, input_shape: tuple, output_shape: tuple) -> int:
    from keras import layers

    if isinstance(layer, layers.SeparableConv2D):
        positions = _positions(layer, output_shape, output_shape[1:3])
        kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
        return positions * sum(math.prod(kernel.shape) for kernel in kernels)
    if isinstance(layer, layers.Conv2DTranspose):
        # Each input pixel is spread through the whole kernel.
        return _positions(layer, input_shape, input_shape[1:3]) * _weights(layer)
    if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
        return _positions(layer, output_shape, output_shape[1:3]) * _weights(layer)
    if isinstance(layer, layers.Dense):
        return _positions(layer, output_shape, output_shape[1:-1]) * _weights(layer)
    return 0


def _weights(layer: keras.Layer) -> int:
    # Of a grouped convolution the kernel holds the inputs of one group only, which is
    # what each output channel multiplies with. A depthwise kernel has no more weights
    # than multiplications a position either.
    return math.prod(layer.kernel.shape)


def _positions(layer: keras.Layer, shape: tuple, sides: tuple) -> int:
    if None in sides:
        raise ValueError(
            f"layer {layer.name} has shape {tuple(shape)}: multiply-accumulates can be "
            "counted for a fixed image size only."
        )
    return math.prod(sides)
