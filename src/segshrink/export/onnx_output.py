"""The output of an `.onnx` file: nodes behind the logits of its graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from segshrink.formats import Output
from segshrink.records import atomic_write


def end_onnx(path: Path, output: Output, temperature: float) -> int:
    """Append nodes to the graph of an `.onnx` file that gives logits.

    Args:
        path: the file.
        output: what the file shall give.
        temperature: what the logits are divided by.

    Returns:
        The number of classes.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(path))
    graph = model.graph
    (logits,) = graph.output
    sizes = [each.dim_value for each in logits.type.tensor_type.shape.dim]
    nodes, source, kind = [], logits.name, TensorProto.FLOAT
    if temperature != 1:
        factor = numpy_helper.from_array(np.float32(1 / temperature), "end/factor")
        graph.initializer.append(factor)
        nodes.append(helper.make_node("Mul", [source, factor.name], ["end/scaled"]))
        source = "end/scaled"
    shape = sizes
    if output is Output.PROBABILITIES:
        nodes.append(helper.make_node("Softmax", [source], ["probabilities"], axis=3))
    elif output is Output.CLASSES:
        source, axis = _before_transposition(graph, source)
        indices, shape, kind = "end/indices", sizes[:-1], TensorProto.UINT8
        nodes += [
            helper.make_node("ArgMax", [source], [indices], axis=axis, keepdims=0),
            helper.make_node("Cast", [indices], ["classes"], to=kind),
        ]
    graph.node.extend(nodes)
    value = helper.make_tensor_value_info(graph.node[-1].output[0], kind, shape)
    del graph.output[:]
    graph.output.append(value)
    with atomic_write(path) as partial:
        onnx.save(model, str(partial))
    return int(sizes[-1])


def _before_transposition(graph: Any, source: str) -> tuple[str, int]:
    """The tensor with classes in its second axis, if it is only transposed at the end.

    Returns:
        Its name, and the axis of its classes.
    """
    last = graph.node[-1]
    if last.op_type == "Transpose" and list(last.output) == [source]:
        (order,) = (list(each.ints) for each in last.attribute if each.name == "perm")
        if order == [0, 2, 3, 1]:
            graph.node.pop()
            return last.input[0], 1
    return source, 3
