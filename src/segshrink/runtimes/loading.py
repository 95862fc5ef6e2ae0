"""Opens a model file with the runtime that its suffix names."""

from pathlib import Path

from segshrink.errors import ModelError, UsageError
from segshrink.runtimes.artifact import Artifact


def load_artifact(path: Path | str, *, threads: int = 1) -> Artifact:
    """Open a `.keras`, `.tflite`, `.onnx` or `.xml` (OpenVINO) file.

    Args:
        path: the file.
        threads: int >= 1, threads that one prediction may compute with. Keras settles
            its own: `.threads` of a `.keras` file tells what it takes.

    Returns:
        The opened file.

    Raises:
        ModelError: if the file is missing, damaged, of an unknown kind, or not a
            segmentation model.
        MissingExtraError: if its runtime is not installed.
        UsageError: if `threads` is below 1.
    """
    path = Path(path)
    if threads < 1:
        raise UsageError(f"threads must be at least 1, got {threads}.")
    if path.suffix not in _OPENERS:
        raise ModelError(
            f"{path}: the suffix must be one of {', '.join(SUFFIXES)}, got "
            f"{path.suffix or 'none'}."
        )
    if not path.is_file():
        raise ModelError(f"{path}: no such file. Export a model first.")
    return _OPENERS[path.suffix](path, threads)


def shipped_model() -> Path:
    """The model for aerial photographs that comes with segshrink.

    What it was trained and measured on stands in the `aerial.md` beside it.
    """
    return Path(__file__).parent / "shipped" / "aerial.tflite"


# The imports wait for the file that needs them: each runtime takes a second or more.
def _keras(path: Path, threads: int) -> Artifact:
    from segshrink.runtimes.keras import KerasArtifact

    return KerasArtifact(path)


def _litert(path: Path, threads: int) -> Artifact:
    from segshrink.runtimes.litert import LiteRTArtifact

    return LiteRTArtifact(path, threads)


def _onnx(path: Path, threads: int) -> Artifact:
    from segshrink.runtimes.onnx import ONNXArtifact

    return ONNXArtifact(path, threads)


def _openvino(path: Path, threads: int) -> Artifact:
    from segshrink.runtimes.openvino import OpenVINOArtifact

    return OpenVINOArtifact(path, threads)


_OPENERS = {
    ".keras": _keras,
    ".onnx": _onnx,
    ".tflite": _litert,
    ".xml": _openvino,
}
SUFFIXES = tuple(_OPENERS)
