"""ONNX to OpenVINO's pair of files, `.xml` with the graph and `.bin` with weights."""

import tempfile
from pathlib import Path
from typing import Any

from segshrink.errors import ExportError, MissingExtraError, first_line
from segshrink.export.placing import place
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
        tensor = openvino.Tensor(_bytes(weights))
        return openvino.Core().read_model(path.read_bytes(), tensor)


def _bytes(content: bytes) -> Any:
    import numpy as np

    return np.frombuffer(content, np.uint8)


def _openvino() -> Any:
    try:
        import openvino
    except ImportError:
        raise MissingExtraError("Writing OpenVINO files", "openvino") from None
    return openvino
