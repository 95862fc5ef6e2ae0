"""Operations of TensorFlow between layers, as layers and operations of Keras 3.

Keras 2 stores `x + y` or `tf.image.resize(x, size)` as the name of a function and its
arguments. Names of this table are computed; others are refused, not looked up.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from segshrink.errors import ModelError
from segshrink.models.keras2.configs import BUILD_IT

Operation = Callable[..., Any]


def run_operation(name: str, layer_name: str, arguments: list, keywords: dict) -> Any:
    """The output of a function of TensorFlow.

    Args:
        name: its public name, such as `"math.add"`, or the type of a node of a graph.
        layer_name: the layer of the file, for the message.
        arguments: symbolic tensors, or plain values.
        keywords: as the file has them.

    Returns:
        A symbolic tensor; of `shape` a tuple of sizes, None where they are open.

    Raises:
        ModelError: if the function is not known, or its arguments.
    """
    operation = _OPERATIONS.get(name)
    if operation is None:
        raise ModelError(
            f"layer {layer_name!r} calls tf.{name}, which is not one of the functions "
            f"that are read from files. {BUILD_IT}"
        )
    keywords = {k: v for k, v in keywords.items() if k != "name" and v is not None}
    try:
        return operation(*arguments, **keywords)
    except (TypeError, ValueError, IndexError) as error:
        raise ModelError(
            f"layer {layer_name!r} calls tf.{name} in a way that is not read from "
            f"files: {' '.join(str(error).split())[:160]}. {BUILD_IT}"
        ) from error


def is_symbolic(value: Any) -> bool:
    """Whether a value is a tensor of the graph."""
    return isinstance(value, keras.KerasTensor)


def _vector(value: Any) -> list[float] | None:
    """A constant with one number per channel; None for all else."""
    if is_symbolic(value) or np.ndim(value) == 0:
        return None
    array = np.asarray(value, np.float32)
    is_last_axis = array.size == array.shape[-1]
    return [float(x) for x in array.reshape(-1)] if is_last_axis else None


def _plain(value: Any) -> Any:
    return value if is_symbolic(value) else np.asarray(value, np.float32).tolist()


def _arithmetic(
    plain: Operation, scaled: Callable[[np.ndarray], layers.Layer] | None = None
) -> Operation:
    """An operation of two; with a constant for each channel it is a layer."""

    def compute(x: Any, y: Any) -> Any:
        constants = _vector(y)
        if scaled is not None and constants is not None:
            return scaled(np.asarray(constants))(x)
        return plain(_plain(x), _plain(y))

    return compute


def _scale(by: np.ndarray) -> layers.Layer:
    return layers.Rescaling(by.tolist())


def _shift(by: np.ndarray) -> layers.Layer:
    return layers.Rescaling([1.0] * by.size, by.tolist())


def _unary(operation: Operation) -> Operation:
    def compute(x: Any = None, **named: Any) -> Any:
        # The first argument has other names in some functions.
        extra = set(named) - {"features", "logits", "input", "axis", "approximate"}
        if extra:
            raise TypeError(f"unexpected {', '.join(sorted(extra))}")
        return operation(x, **named)

    return compute


def _reduce(operation: Operation) -> Operation:
    def compute(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return operation(x, axis=axis, keepdims=keepdims)

    return compute


def _shape(x: Any, out_type: Any = None) -> tuple[int | None, ...]:
    return tuple(x.shape)


def _getitem(x: Any, slice_spec: Any) -> Any:
    many = isinstance(slice_spec, (list, tuple))
    parts = [_slice(each) for each in (slice_spec if many else [slice_spec])]
    if isinstance(x, tuple):  # sizes of a tensor
        return x[parts[0]]
    return x[tuple(parts)]


def _slice(part: Any) -> Any:
    if isinstance(part, Mapping) and "start" in part:
        return slice(part["start"], part["stop"], part["step"])
    if isinstance(part, Mapping):  # {"value": "..."}
        return Ellipsis
    return Ellipsis if part == "..." else part


def _resize(
    images: Any,
    size: Sequence[int | None],
    method: str = "bilinear",
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
) -> Any:
    height, width = size
    if preserve_aspect_ratio or antialias or height is None or width is None:
        raise ValueError("a size that is open, or an aspect ratio or antialias")
    interpolation = str(method).lower()
    return layers.Resizing(int(height), int(width), interpolation)(images)


def _pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: float = 0
) -> Any:
    pairs = [tuple(pair) for pair in paddings]
    spatial = len(pairs) == 4 and {pairs[0], pairs[3]} == {(0, 0)}
    if spatial and mode == "CONSTANT" and constant_values == 0:
        return layers.ZeroPadding2D((pairs[1], pairs[2]))(tensor)
    extra = {"constant_values": constant_values} if mode == "CONSTANT" else {}
    return ops.pad(tensor, pairs, mode=mode.lower(), **extra)


def _concat(values: Sequence[Any], axis: int) -> Any:
    return layers.Concatenate(axis=axis)(list(values))


def _clip(t: Any, clip_value_min: float, clip_value_max: float) -> Any:
    return ops.clip(t, clip_value_min, clip_value_max)


def _reshape(tensor: Any, shape: Sequence[int | None]) -> Any:
    if None not in tensor.shape[1:] and None in list(shape)[1:]:
        raise ValueError("a shape that is open")
    return layers.Reshape(tuple(shape)[1:])(tensor)


def _cast(x: Any, dtype: Any, *_: Any) -> Any:
    return ops.cast(x, str(dtype))


def _bias_add(value: Any, bias: Any, data_format: str | None = None) -> Any:
    if data_format not in (None, "NHWC"):
        raise ValueError(f"data_format {data_format}")
    return _OPERATIONS["math.add"](value, bias)


def _leaky_relu(features: Any, alpha: float = 0.2) -> Any:
    return ops.leaky_relu(features, negative_slope=alpha)


def _softmax(x: Any = None, axis: int = -1) -> Any:
    return ops.softmax(x, axis=axis)


def _identity(x: Any) -> Any:
    return x


_add = _arithmetic(ops.add, _shift)
_subtract = _arithmetic(ops.subtract, lambda by: _shift(-by))
_multiply = _arithmetic(ops.multiply, _scale)
_divide = _arithmetic(ops.true_divide, lambda by: _scale(1 / by))


def _squeeze(x: Any, axis: int | None = None) -> Any:
    return ops.squeeze(x, axis=axis)


_OPERATIONS: dict[str, Operation] = {
    "__operators__.add": _add,
    "math.add": _add,
    "math.subtract": _subtract,
    "math.multiply": _multiply,
    "math.truediv": _divide,
    "math.divide": _divide,
    "math.pow": _arithmetic(ops.power),
    "math.maximum": _arithmetic(ops.maximum),
    "math.minimum": _arithmetic(ops.minimum),
    "math.abs": _unary(ops.absolute),
    "math.exp": _unary(ops.exp),
    "math.log": _unary(ops.log),
    "math.negative": _unary(ops.negative),
    "math.sqrt": _unary(ops.sqrt),
    "math.rsqrt": _unary(ops.rsqrt),
    "math.square": _unary(ops.square),
    "math.tanh": _unary(ops.tanh),
    "math.sigmoid": _unary(ops.sigmoid),
    "nn.sigmoid": _unary(ops.sigmoid),
    "nn.relu": _unary(ops.relu),
    "nn.relu6": _unary(ops.relu6),
    "nn.elu": _unary(ops.elu),
    "nn.silu": _unary(ops.silu),
    "nn.swish": _unary(ops.silu),
    "nn.gelu": lambda features, approximate=False: ops.gelu(features, approximate),
    "nn.leaky_relu": _leaky_relu,
    "nn.softmax": _softmax,
    "nn.bias_add": _bias_add,
    "math.reduce_mean": _reduce(ops.mean),
    "math.reduce_max": _reduce(ops.max),
    "math.reduce_min": _reduce(ops.min),
    "math.reduce_sum": _reduce(ops.sum),
    "clip_by_value": _clip,
    "concat": _concat,
    "expand_dims": lambda x, axis: ops.expand_dims(x, axis),
    "squeeze": _squeeze,
    "compat.v1.squeeze": _squeeze,
    "transpose": lambda a, perm: ops.transpose(a, perm),
    "compat.v1.transpose": lambda a, perm, conjugate=False: ops.transpose(a, perm),
    "reshape": _reshape,
    "tile": lambda x, multiples: ops.tile(x, multiples),
    "cast": _cast,
    "identity": _identity,
    "stop_gradient": _identity,
    "pad": _pad,
    "compat.v1.pad": _pad,
    "shape": _shape,
    "compat.v1.shape": _shape,
    "image.resize": _resize,
    "__operators__.getitem": _getitem,
    # Types of nodes, as TensorFlow 2.0 to 2.3 stored them.
    "Add": _add,
    "AddV2": _add,
    "BiasAdd": _bias_add,
    "Sub": _subtract,
    "Mul": _multiply,
    "RealDiv": _divide,
    "Maximum": _arithmetic(ops.maximum),
    "Minimum": _arithmetic(ops.minimum),
    "Neg": _unary(ops.negative),
    "Relu": _unary(ops.relu),
    "Relu6": _unary(ops.relu6),
    "Sigmoid": _unary(ops.sigmoid),
    "Softmax": _softmax,
    "Tanh": _unary(ops.tanh),
    "Identity": _identity,
}
