"""Opens a model file with the runtime that its suffix names."""

from pathlib import Path

from segshrink.errors import ModelError, UsageError
from segshrink.formats import Format
from segshrink.runtimes.artifact import Artifact


def load_artifact(path: Path | str, *, threads: int = 1) -> Artifact:
    """Open a `.keras`, `.tflite`, `.onnx` or `.xml` (OpenVINO) file.

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
            f"{path}: the suffix must be one of "
            f"{', '.join(each.suffix for each in Format)}, got "
            f"{path.suffix or 'none'}."
        )
    if not path.is_file():
        raise ModelError(f"{path}: no such file. Export a model first.")
    return _open(path, format, threads)


def _open(path: Path, format: Format, threads: int) -> Artifact:
    # Each runtime takes a second or more to import: only the one that is needed is.
    if format is Format.KERAS:
        from segshrink.runtimes.keras import KerasArtifact

        return KerasArtifact(path)
    if format is Format.LITERT:
        from segshrink.runtimes.litert import LiteRTArtifact

        return LiteRTArtifact(path, threads)
    if format is Format.ONNX:
        from segshrink.runtimes.onnx import ONNXArtifact

        return ONNXArtifact(path, threads)
    from segshrink.runtimes.openvino import OpenVINOArtifact

    return OpenVINOArtifact(path, threads)


def shipped_model() -> Path:
    """The model for aerial photographs that comes with segshrink.

    The `aerial.md` beside it says what it was trained and measured on.
    """
    return Path(__file__).parent / "shipped" / "aerial.tflite"
