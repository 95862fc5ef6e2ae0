"""Sizes of resized images in an ONNX file, which the converter states as ratios."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_AXES = 4


def state_sizes(path: Path) -> None:
    """Let every Resize of an ONNX file state the size of its output.

    Its ratio in float32 may be a little too small: 24 rows of 25 then become 23. Files
    without such a Resize are left as they are.
    """
    import onnx

    model = onnx.load(str(path))
    constants = {each.name: each for each in model.graph.initializer}
    changed = False
    # Behind a wrong size all others are wrong, hence one after the other.
    while True:
        shapes = _shapes(onnx.shape_inference.infer_shapes(model).graph)
        for node in model.graph.node:
            if node.op_type != "Resize" or len(node.input) != 3:
                continue
            shape, ratios = shapes.get(node.input[0]), constants.get(node.input[2])
            if shape is None or ratios is None:
                continue
            scales = onnx.numpy_helper.to_array(ratios)
            wanted: npt.NDArray[np.int64] = np.rint(shape * scales).astype(np.int64)
            if np.array_equal(np.floor(shape * scales), wanted):
                continue
            sizes = onnx.numpy_helper.from_array(wanted, f"{node.output[0]}/sizes")
            model.graph.initializer.append(sizes)
            node.input[2] = ""
            node.input.append(sizes.name)
            changed = True
            break
        else:
            break
    if changed:
        onnx.save(model, str(path))


def _shapes(graph: Any) -> dict[str, npt.NDArray[np.float64]]:
    """Shapes of the images in a graph, by name."""
    shapes = {}
    for value in (*graph.value_info, *graph.input):
        sizes = [each.dim_value for each in value.type.tensor_type.shape.dim]
        if len(sizes) == _AXES and all(sizes):
            shapes[value.name] = np.array(sizes, np.float64)
    return shapes
