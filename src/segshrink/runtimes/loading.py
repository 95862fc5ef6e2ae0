"""Opens a model file with the runtime that its suffix names."""

from pathlib import Path

from segshrink.errors import ModelError, UsageError
from segshrink.formats import Format, listed_suffixes
from segshrink.runtimes.artifact import Artifact


def load_artifact(path: Path | str, *, threads: int = 1) -> Artifact:
    """Open a model file of any `Format`, which its suffix names.

    Args:
        path: the file.
        threads: int >= 1, threads that one prediction may compute with. Keras settles
            its own: `.threads` of a `.keras` file is the number that it takes.

    Returns:
        The opened file.

    Raises:
        ModelError: if the file is missing, damaged, of an unknown format, or not a
            segmentation model.
        MissingExtraError: if its runtime is not installed.
        UsageError: if `threads` is below 1.
    """
    path = Path(path)
    if threads < 1:
        raise UsageError(f"threads must be at least 1, got {threads}.")
    format = Format.of_file(path)
    if format is None:
        raise ModelError(
            f"{path}: the suffix must be one of {listed_suffixes(Format)}, got "
            f"{path.suffix or 'none'}."
        )
    if not path.is_file():
        raise ModelError(f"{path}: no such file. Export a model first.")
    return _OPENERS[format](path, threads)


# Each runtime takes a second or more to import: only the one that is needed is.
def _open_litert(path: Path, threads: int) -> Artifact:
    from segshrink.runtimes.litert import LiteRTArtifact

    return LiteRTArtifact(path, threads)


def _open_onnx(path: Path, threads: int) -> Artifact:
    from segshrink.runtimes.onnx import ONNXArtifact

    return ONNXArtifact(path, threads)


def _open_openvino(path: Path, threads: int) -> Artifact:
    from segshrink.runtimes.openvino import OpenVINOArtifact

    return OpenVINOArtifact(path, threads)


def _open_keras(path: Path, threads: int) -> Artifact:
    from segshrink.runtimes.keras import KerasArtifact

    return KerasArtifact(path)


_OPENERS = {
    Format.LITERT: _open_litert,
    Format.ONNX: _open_onnx,
    Format.OPENVINO: _open_openvino,
    Format.KERAS: _open_keras,
}


def shipped_model() -> Path:
    """The model for aerial photographs that comes with segshrink.

    The `aerial.md` beside it says what it was trained and measured on.
    """
    return Path(__file__).parent / "shipped" / "aerial.tflite"
