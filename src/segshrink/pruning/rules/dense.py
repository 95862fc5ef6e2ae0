"""Dense layers and attention."""

from segshrink.pruning.layer_call import Channels, LayerCall, Untraceable
from segshrink.pruning.rules.activation import activated


def dense(call: LayerCall) -> Channels:
    """Dense, over the last axis; kernel `(channels, units)`."""
    layer = call.layer
    incoming = call.channels(-1)
    outgoing = call.produce(layer.kernel, axes=(-1,), bias=layer.bias)
    call.slice(layer.kernel, 0, incoming)
    call.slice(layer.kernel, 1, outgoing)
    call.resize(("units",), outgoing)
    return activated(call, len(call.output_shape) - 1, outgoing)


def embedding(call: LayerCall) -> Channels:
    """Embedding; a table `(entries, channels)` that indices look up."""
    layer = call.layer
    outgoing = call.produce(layer.embeddings, axes=(1,))
    call.slice(layer.embeddings, 1, outgoing)
    call.resize(("output_dim",), outgoing)
    return Channels(len(call.output_shape) - 1, outgoing)


def einsum_dense(call: LayerCall) -> Channels:
    """EinsumDense that contracts the channel axis and adds one new axis.

    The axis of a letter that input, weight and output share is kept whole.
    """
    layer = call.layer
    read, held, given = _einsum_letters(layer.equation, len(call.input_shapes[0]))
    made = [letter for letter in given if letter not in read]
    axis = call.axis()
    if len(made) != 1 or read[axis] not in held or read[axis] in given:
        raise Untraceable(f"equation {layer.equation} has more than one channel axis")
    if set(held) != {read[axis], made[0]}:
        raise Untraceable(f"equation {layer.equation} also weights other axes")
    if layer.bias is not None and len(layer.bias.shape) > 1:
        raise Untraceable("its bias runs over more than the channels")
    incoming, place = call.channels(axis), given.index(made[0])
    outgoing = call.produce(layer.kernel, axes=(held.index(made[0]),), bias=layer.bias)
    call.slice(layer.kernel, held.index(read[axis]), incoming)
    call.slice(layer.kernel, held.index(made[0]), outgoing)
    call.resize(("output_shape", place - len(given)), outgoing)
    return activated(call, place, outgoing)


def _einsum_letters(equation: str, rank: int) -> tuple[str, str, str]:
    """Letters of input, weight and output, with an ellipsis written out."""
    inputs, given = equation.replace(" ", "").split("->")
    read, held = inputs.split(",")
    missing = rank - len(read.replace("...", ""))
    letters = "".join(chr(ord("A") + place) for place in range(missing))
    return read.replace("...", letters), held, given.replace("...", letters)


def attention(call: LayerCall) -> Channels | list[Channels]:
    """MultiHeadAttention; kernels `(channels, heads, size)`, out `(heads, size, out)`.

    A head leaves as a whole, since the scores are a sum over its entries, scaled by
    their number. Masks are over positions; scores that are returned hold the heads.
    """
    layer = call.layer
    query, key, value = _attended(call)
    if layer.get_config().get("use_gate"):
        raise Untraceable("it has a gate")
    output = layer.output_dense
    if len(output.kernel.shape) != 3:
        raise Untraceable("its output has more than one channel axis")
    outgoing = call.produce(output.kernel, axes=(-1,), bias=output.bias)
    heads = call.produce(layer.value_dense.kernel, axes=(1,), kind="heads")
    for projection, place in (
        (layer.query_dense, query),
        (layer.key_dense, key),
        (layer.value_dense, value),
    ):
        call.slice(projection.kernel, 0, call.channels(-1, place))
        call.slice(projection.kernel, 1, heads)
        if projection.bias is not None:
            call.slice(projection.bias, 0, heads)
    call.slice(output.kernel, 0, heads)
    call.slice(output.kernel, -1, outgoing)
    call.resize(("num_heads",), heads)
    call.resize(("output_shape",), outgoing)
    found = Channels(len(call.output_shape) - 1, outgoing)
    return found if len(call.output_shapes) == 1 else [found, Channels(1, heads)]


def _attended(call: LayerCall) -> tuple[int, int, int]:
    """Places of query, key and value among the inputs.

    Raises:
        Untraceable: if there are other inputs than masks.
    """
    names = ("query", "value", "key")
    masks = ("query_mask", "value_mask", "key_mask", "attention_mask")
    order = (*names, *masks)
    given = dict(zip(order, call.arguments, strict=False)) | dict(call.keywords)
    tensors = {name: t for name, t in given.items() if hasattr(t, "shape")}
    others = set(tensors) - set(order)
    if others:
        raise Untraceable(f"it takes {', '.join(sorted(others))}")
    for name in set(tensors) & set(masks):
        place = call.which(tensors[name])
        axis = call.traced_axis(place)
        if axis is not None:
            call.freeze(call.channels(axis, place), f"{name} is over positions")
    tensors.setdefault("key", tensors["value"])
    query, key, value = (call.which(tensors[n]) for n in ("query", "key", "value"))
    return query, key, value
