"""Files of pointwise teachers, in the manner of other frameworks."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def weights(seed: int, num_classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Kernel `(3, classes)` for colours / 64, and bias."""
    random = np.random.default_rng(seed)
    kernel = random.normal(size=(3, num_classes)).astype(np.float32)
    return kernel, random.normal(size=num_classes).astype(np.float32)


def expected_logits(image: np.ndarray, seed: int) -> np.ndarray:
    kernel, bias = weights(seed)
    return image.astype(np.float32) / 64 @ kernel + bias


def write_onnx(
    path: Path, seed: int, *, side_px: int = 20, softmax: bool = False, classes: int = 3
) -> Path:
    """A model as PyTorch exports it: channels first, a batch of any size."""
    kernel, bias = weights(seed, classes)
    stored = [
        numpy_helper.from_array(np.float32([64]), "scale"),
        numpy_helper.from_array(kernel.T[:, :, None, None].copy(), "kernel"),
        numpy_helper.from_array(bias, "bias"),
    ]
    nodes = [
        helper.make_node("Div", ["images", "scale"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "kernel", "bias"], ["logits"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["shares"], axis=1))
    output = nodes[-1].output[0]
    sides = (side_px, side_px)
    graph = helper.make_graph(
        nodes,
        "pointwise",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ("n", 3, *sides))],
        [
            helper.make_tensor_value_info(
                output, TensorProto.FLOAT, ("n", classes, *sides)
            )
        ],
        stored,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path
