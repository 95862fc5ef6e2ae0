"""Layers that merge several tensors."""

import numpy as np

from segshrink.pruning.layer_call import Channels, LayerCall, Untraceable


def merge(call: LayerCall) -> Channels:
    """Add, Multiply and similar layers: a channel leaves from every operand.

    Operands broadcast over space (a squeeze-and-excite gate) or over channels (an
    attention map, which keeps its one channel).
    """
    require_tensors(call)
    ranks = {len(shape) for shape in call.input_shapes}
    if len(ranks) > 1:
        raise Untraceable("its inputs differ in rank")
    axis = call.axis()
    operands = [call.channels(axis, which) for which in range(len(call.input_shapes))]
    count = max(len(ids) for ids in operands)
    outgoing = call.new(count)
    for ids in operands:
        if len(ids) == count:
            call.unite(outgoing, ids)
        else:
            call.freeze(ids, "one channel stands beside all channels")
    return Channels(axis, outgoing)


def concatenation(call: LayerCall) -> Channels:
    """Concatenate: vectors of channels are joined, or merged along other axes.

    Along another axis the inputs hold the same channels at different places.
    """
    require_tensors(call)
    if call.layer.axis % len(call.output_shape) != call.axis():
        return merge(call)
    axis = call.axis()
    vectors = [call.channels(axis, which) for which in range(len(call.input_shapes))]
    return Channels(axis, np.concatenate(vectors))


def require_tensors(call: LayerCall) -> None:
    """Raise `Untraceable` if one of the inputs is a constant array."""
    if call.constants():
        raise Untraceable("a constant stands among its inputs")
