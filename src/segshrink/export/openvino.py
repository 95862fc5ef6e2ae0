"""ONNX to OpenVINO's pair of files, `.xml` with the graph and `.bin` with weights."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from segshrink.errors import ExportError, MissingExtraError, first_line
from segshrink.export.placing import place
from segshrink.formats import Output
from segshrink.quiet import quiet


def write_openvino(onnx_model: Path, path: Path, *, half: bool = False) -> None:
    """Convert an `.onnx` file, float32 or int8, to `path` and the `.bin` beside it.

    Args:
        onnx_model: the file.
        path: `.xml` file to write.
        half: store weights in 16 bits.

    Raises:
        ExportError: if OpenVINO cannot express the model.
        MissingExtraError: if the `openvino` extra is not installed.
    """
    openvino = _openvino()
    with quiet():
        try:
            # convert_model would report its use over the network.
            model = openvino.Core().read_model(str(onnx_model))
        except Exception as error:
            reason = first_line(error)
            raise ExportError(
                f"{path}: OpenVINO cannot express the model. {reason} Use "
                "format='litert' or format='onnx'."
            ) from error
    # `path` is in a temporary folder, from where both files are placed together.
    openvino.save_model(model, str(path), compress_to_fp16=half)


def replace_model(model: Any, path: Path) -> None:
    """Save a model over `path` and the `.bin` beside it, whole or not at all."""
    with tempfile.TemporaryDirectory(prefix="segshrink-openvino-") as folder:
        written = Path(folder) / path.name
        _openvino().save_model(model, str(written), compress_to_fp16=False)
        place(written, path)


def end_openvino(path: Path, output: Output, temperature: float) -> int:
    """Append operations to an `.xml` file that gives logits; as `end_onnx` does.

    Returns:
        The number of classes.
    """
    openvino = _openvino()
    from openvino import opset13 as operations

    model = read_model(path)
    result = model.output(0).get_node().input_value(0)
    num_classes = result.get_partial_shape()[3].get_length()
    if temperature != 1:
        result = operations.multiply(result, np.float32(1 / temperature)).output(0)
    if output is Output.PROBABILITIES:
        result = operations.softmax(result, 3).output(0)
    elif output is Output.CLASSES:
        # The first of equal ones is the class, which a stable order keeps.
        highest = operations.topk(
            result,
            np.int32(1),
            3,
            "max",
            "value",
            index_element_type="i32",
            stable=True,
        )
        indices = operations.squeeze(highest.output(1), np.array([3], np.int64))
        result = operations.convert(indices, "u8").output(0)
    ended = openvino.Model([result], model.get_parameters(), model.get_friendly_name())
    replace_model(ended, path)
    return int(num_classes)


def weights_path(path: Path) -> Path:
    """The `.bin` file with the weights of an `.xml` file."""
    return path.with_suffix(".bin")


def read_model(path: Path) -> Any:
    """Read the model of an `.xml` file and its `.bin`, to inspect or to compile it.

    Raises:
        MissingExtraError: if the `openvino` extra is not installed.
    """
    with quiet():
        # OpenVINO would map a file of weights, which a later save replaces.
        weights = weights_path(path).read_bytes()
        openvino = _openvino()
        tensor = openvino.Tensor(np.frombuffer(weights, np.uint8))
        return openvino.Core().read_model(path.read_bytes(), tensor)


def _openvino() -> Any:
    try:
        import openvino
    except ImportError:
        raise MissingExtraError("Writing OpenVINO files", "openvino") from None
    return openvino
