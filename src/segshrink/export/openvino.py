"""ONNX to OpenVINO's pair of files, `.xml` with the graph and `.bin` with weights."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from segshrink.errors import ExportError, MissingExtraError, first_line
from segshrink.quiet import quiet
from segshrink.records import atomic_write


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
            # Not convert_model, which reports its use over the network.
            model = openvino.Core().read_model(str(onnx_model))
        except Exception as error:
            reason = first_line(error)
            raise ExportError(
                f"{path}: OpenVINO cannot express the model. {reason} Use "
                "format='litert' or format='onnx'."
            ) from error
    # Into a folder of the export's own, from where both files are moved together.
    openvino.save_model(model, str(path), compress_to_fp16=half)


def replace_model(model: Any, path: Path) -> None:
    """Save a model in the place of `path` and the `.bin` beside it, whole."""
    with tempfile.TemporaryDirectory(prefix="segshrink-openvino-") as folder:
        made = Path(folder) / path.name
        _openvino().save_model(model, str(made), compress_to_fp16=False)
        place_pair(made, path)


def place_pair(made: Path, path: Path) -> None:
    """Copy an `.xml` file and its `.bin` to another place.

    The `.xml` comes last and is taken away first: where it is, its weights are.
    """
    path.unlink(missing_ok=True)
    for source, target in ((weights_path(made), weights_path(path)), (made, path)):
        with atomic_write(target) as partial:
            shutil.copyfile(source, partial)


def weights_path(path: Path) -> Path:
    """The file of weights of an `.xml` file."""
    return path.with_suffix(".bin")


def read_model(path: Path) -> Any:
    """The model of an `.xml` file, to look into or to compile.

    Raises:
        MissingExtraError: if the `openvino` extra is not installed.
    """
    with quiet():
        # From memory: it would map the weights, which a later save replaces.
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
        raise MissingExtraError("OpenVINO files", "openvino") from None
    return openvino
