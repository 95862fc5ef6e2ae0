"""Raw `keras.ops` calls in a Functional model, by the name of the operation's class."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from segshrink.pruning.channels import ChannelIds
from segshrink.pruning.layer_call import Channels, LayerCall, Untraceable
from segshrink.pruning.rules.merging import require_tensors
from segshrink.pruning.rules.refolding import refolded, unfolded

# Functions that are infinite at 0 are left out: a zeroed channel would spoil others.
_ELEMENTWISE = (
    "Abs Absolute Cast Celu Clip Cos Elu Erf Exp Expm1 Gelu HardShrink HardSigmoid "
    "HardSilu HardTanh LeakyRelu Negative Relu Relu6 Selu Sigmoid Sign Silu Sin "
    "SoftShrink Softplus Softsign Sqrt Square Squareplus StopGradient Tanh TanhShrink "
    "Threshold"
).split()
_REDUCTIONS = "All Any Max Mean Min Prod Std Sum Var Amax Amin Logsumexp".split()
_BROADCASTING = (
    "Add Equal Greater GreaterEqual Less LessEqual LogicalAnd LogicalNot LogicalOr "
    "Maximum Minimum Multiply NotEqual Subtract Where"
).split()


def elementwise_operation(call: LayerCall) -> Channels:
    """An operation that treats every value alike."""
    return Channels(call.axis(), call.channels(call.axis()))


def broadcasting(call: LayerCall) -> Channels:
    """`x + y` and similar operations of tensors, or of a tensor and a constant."""
    rank = len(call.output_shape)
    if any(len(shape) != rank for shape in call.input_shapes):
        raise Untraceable("its inputs differ in rank")
    axis = call.axis()
    operands = [call.channels(axis, which) for which in range(len(call.input_shapes))]
    outgoing = call.new(max(len(ids) for ids in operands))
    for ids in operands:
        if len(ids) == len(outgoing):
            call.unite(outgoing, ids)
        else:
            call.freeze(ids, "one channel stands beside all channels")
    for constant in _constants(call):
        # The axes of a constant are counted from the last one.
        place = axis - (rank - np.ndim(constant))
        if np.ndim(constant) and place >= 0 and np.shape(constant)[place] > 1:
            call.freeze(outgoing, "a constant holds a value for each channel")
    return Channels(axis, outgoing)


def division(call: LayerCall) -> Channels:
    """`x / y`, unless a removed channel would divide 0 by 0."""
    for which, tensor in enumerate(call.tensors):
        is_divisor = call.arguments[0] is not tensor
        if is_divisor and call.input_shapes[which][call.axis()] != 1:
            raise Untraceable("it divides by channels")
    return broadcasting(call)


def _constants(call: LayerCall) -> list[Any]:
    values = [*call.arguments, *call.keywords.values()]
    return [
        value
        for value in values
        if value is not None and not any(value is tensor for tensor in call.tensors)
    ]


def reduction(call: LayerCall) -> Channels:
    """Mean, maximum and similar reductions over other axes than the channels."""
    axis = call.axis()
    reduced = _axes(call.layer.axis, len(call.input_shapes[0]))
    if axis in reduced:
        raise Untraceable("it reads all channels at once")
    removed = 0 if call.layer.keepdims else sum(place < axis for place in reduced)
    return Channels(axis - removed, call.channels(axis))


def _axes(axis: Any, rank: int) -> set[int]:
    """Axes from 0 of an `axis` argument, where None stands for all."""
    over = range(rank) if axis is None else np.atleast_1d(axis).tolist()
    return {int(place) % rank for place in over}


def power(call: LayerCall) -> Channels:
    """`x ** p` with a positive number p; others are infinite where x is 0."""
    exponent = call.arguments[-1] if not call.keywords else None
    if len(call.tensors) != 1 or call.arguments[0] is not call.tensors[0]:
        raise Untraceable("it raises to the power of a tensor")
    if not isinstance(exponent, (int, float)) or exponent <= 0:
        raise Untraceable("its exponent is not a positive number")
    return elementwise_operation(call)


def tiling(call: LayerCall) -> Channels:
    """`ops.tile`; channels that are repeated leave together."""
    axis, rank = call.axis(), len(call.input_shapes[0])
    repeats = np.atleast_1d(call.layer.repeats).tolist()
    if len(repeats) > rank or len(call.output_shape) != rank:
        raise Untraceable("it adds axes")
    repeats = [1] * (rank - len(repeats)) + repeats
    if repeats[0] != 1:
        raise Untraceable("it repeats the batch")
    return Channels(axis, np.tile(call.channels(axis), repeats[axis]))


def matrix_product(call: LayerCall) -> Channels:
    """`x @ y`: channels of the summed axis leave both; those of other axes pass on.

    A product of two tensors of attention sums over the channels of each head (scores),
    or over positions (the weighted values, whose channels pass on).
    """
    if len(call.input_shapes) != 2 or min(map(len, call.input_shapes)) < 2:
        raise Untraceable("it is not a product of two matrices")
    rank = len(call.output_shape)
    axes = [call.free_axis(which) for which in (0, 1)]
    # The summed axis is the last one of the first operand, and the one before the last
    # of the second.
    summed = [len(call.input_shapes[0]) - 1, len(call.input_shapes[1]) - 2]
    if axes[0] == summed[0] or axes[1] == summed[1]:
        first, second = (call.channels(summed[which], which) for which in (0, 1))
        call.unite(first, second)
        ids = call.new(call.output_shape[-1] or 0)
        call.freeze(ids, "it sums over the channels")
        return Channels(rank - 1, ids)
    if axes[0] is None and axes[1] == len(call.input_shapes[1]) - 1:
        return Channels(rank - 1, call.channels(-1, 1))
    if axes[1] is None and axes[0] == len(call.input_shapes[0]) - 2:
        return Channels(rank - 2, call.channels(-2, 0))
    raise Untraceable("it multiplies several axes of channels")


def joining(call: LayerCall) -> Channels:
    """`ops.concatenate`; vectors of channels are joined along the channel axis."""
    require_tensors(call)
    axis = call.axis()
    vectors = [call.channels(axis, which) for which in range(len(call.input_shapes))]
    if call.layer.axis % len(call.output_shape) == axis:
        return Channels(axis, np.concatenate(vectors))
    for ids in vectors[1:]:
        call.unite(vectors[0], ids)
    return Channels(axis, vectors[0])


def splitting(call: LayerCall) -> list[Channels]:
    """`ops.split`; parts of equal size lose the same places."""
    axis, operation = call.axis(), call.layer
    ids = call.channels(axis)
    parts = operation.indices_or_sections
    if operation.axis % len(call.input_shapes[0]) != axis:
        return [Channels(axis, ids)] * len(call.output_shapes)
    if isinstance(parts, int):
        call.tie(ids, parts)
        return [Channels(axis, part) for part in np.split(ids, parts)]
    indices = [int(index) for index in parts]
    if any(not 0 < index < len(ids) for index in indices):
        raise Untraceable("it splits at places that are not inside")
    for place, index in enumerate(indices):
        call.resize(("indices_or_sections", place), ids[:index])
    return [Channels(axis, part) for part in np.split(ids, indices)]


def indexing(call: LayerCall) -> Channels:
    """`x[:, 2:, ..., :8]`; a range of channels moves with the channels before it."""
    key = call.arguments[1] if len(call.arguments) > 1 else call.keywords["key"]
    axis, source, target = call.axis(), 0, 0
    for place, item in _written_out(key, len(call.input_shapes[0])):
        if source == axis and isinstance(item, slice):
            ids = _taken(call, place, item, call.channels(axis))
            return Channels(target, ids)
        if source == axis and item is not None:
            raise Untraceable("it takes a single channel")
        source += item is not None
        target += item is None or isinstance(item, slice)
    raise Untraceable("its key has too few axes")


def _written_out(key: Any, rank: int) -> list[tuple[int | None, Any]]:
    """Pairs of a place in the key, None if implicit, and the item at that place.

    Raises:
        Untraceable: if the key holds arrays or tensors.
    """
    items = list(key) if isinstance(key, (tuple, list)) else [key]
    if not all(i is None or i is ... or isinstance(i, (int, slice)) for i in items):
        raise Untraceable("it takes values at computed places")
    named = sum(item is not None and item is not ... for item in items)
    gap: list[tuple[int | None, Any]] = [(None, slice(None))] * (rank - named)
    if ... not in items:
        return [*enumerate(items), *gap]
    found: list[tuple[int | None, Any]] = []
    for place, item in enumerate(items):
        found += gap if item is ... else [(place, item)]
    return found


def _taken(
    call: LayerCall, place: int | None, item: slice, ids: ChannelIds
) -> ChannelIds:
    start, stop, step = item.indices(len(ids))
    if step != 1:
        raise Untraceable("it takes channels at a stride")
    for name, index in (("start", start), ("stop", stop)):
        if getattr(item, name) is not None:
            if len(call.arguments) < 2:
                raise Untraceable("its key is named")
            written = isinstance(call.arguments[1], (tuple, list))
            path: tuple[str | int, ...] = (1, place or 0) if written else (1,)
            call.resize_argument((*path, "config", name), ids[:index])
    return ids[start:stop]


def transposing(call: LayerCall) -> Channels:
    """`ops.transpose`: the channel axis moves."""
    axis, rank = call.axis(), len(call.input_shapes[0])
    axes = call.layer.axes or tuple(reversed(range(rank)))
    return Channels([int(a) % rank for a in axes].index(axis), call.channels(axis))


def moving(call: LayerCall) -> Channels:
    """`ops.moveaxis`: the channel axis moves."""
    rank = len(call.input_shapes[0])
    source = [int(place) % rank for place in np.atleast_1d(call.layer.source)]
    target = [int(place) % rank for place in np.atleast_1d(call.layer.destination)]
    order = [place for place in range(rank) if place not in source]
    for place, moved in sorted(zip(target, source, strict=True)):
        order.insert(place, moved)
    return Channels(order.index(call.axis()), call.channels(call.axis()))


def reshaping_operation(call: LayerCall) -> Channels:
    """`ops.reshape`; the last axis of the result holds the channels."""
    if call.output_shape[0] is not None:
        raise Untraceable("it reshapes the batch")
    split = unfolded(call)
    if split is not None:
        if call.layer.newshape[split.axis] != -1:
            call.resize(("newshape", split.axis), split.ids)
        return split
    outgoing = refolded(call)
    if call.layer.newshape[-1] != -1:
        call.resize(("newshape", -1), outgoing)
    return Channels(len(call.output_shape) - 1, outgoing)


def padding(call: LayerCall) -> Channels:
    """`ops.pad` of other axes than the channels."""
    axis = call.axis()
    widths = np.broadcast_to(call.layer.pad_width, (len(call.output_shape), 2))
    if widths[axis].any():
        raise Untraceable("it pads the channels")
    return Channels(axis, call.channels(axis))


def along_space(call: LayerCall) -> Channels:
    """An operation that moves values in space, by its data format."""
    first = call.layer.data_format == "channels_first"
    axis = 1 if first else len(call.input_shapes[0]) - 1
    return Channels(axis, call.channels(axis))


def softmax_operation(call: LayerCall) -> Channels:
    """`ops.softmax` over other axes than the channels."""
    axis = call.axis()
    if axis in _axes(call.layer.axis, len(call.output_shape)):
        raise Untraceable("it compares all channels with each other")
    return Channels(axis, call.channels(axis))


def expanding(call: LayerCall) -> Channels:
    """`ops.expand_dims`: the channel axis may move."""
    axis, rank = call.axis(), len(call.output_shape)
    added = _axes(call.layer.axis, rank)
    places = [place for place in range(rank) if place not in added]
    return Channels(places[axis], call.channels(axis))


def squeezing(call: LayerCall) -> Channels:
    """`ops.squeeze`: axes of size 1 leave."""
    axis, shape = call.axis(), call.input_shapes[0]
    over = call.layer.axis
    if over is None:
        over = [place for place, size in enumerate(shape) if size == 1]
    removed = _axes(over, len(shape))
    if axis in removed:
        raise Untraceable("it drops the channel axis")
    moved = sum(place < axis for place in removed)
    return Channels(axis - moved, call.channels(axis))


def flipping(call: LayerCall) -> Channels:
    """`ops.flip` of other axes than the channels."""
    axis = call.axis()
    if axis in _axes(call.layer.axis, len(call.input_shapes[0])):
        raise Untraceable("it reverses the order of channels")
    return Channels(axis, call.channels(axis))


OPERATIONS: Mapping[
    type | str, Callable[[LayerCall], Channels | Sequence[Channels]] | None
] = {
    **dict.fromkeys(_ELEMENTWISE, elementwise_operation),
    **dict.fromkeys(_BROADCASTING, broadcasting),
    **dict.fromkeys(("Divide", "TrueDivide"), division),
    **dict.fromkeys(_REDUCTIONS, reduction),
    **dict.fromkeys(("MaxPool", "AveragePool", "Resize"), along_space),
    "Concatenate": joining,
    "ExpandDims": expanding,
    "Flip": flipping,
    "GetItem": indexing,
    "Matmul": matrix_product,
    "Moveaxis": moving,
    "Pad": padding,
    "Power": power,
    "Reshape": reshaping_operation,
    "Softmax": softmax_operation,
    "Split": splitting,
    "Squeeze": squeezing,
    "Tile": tiling,
    "Transpose": transposing,
}
