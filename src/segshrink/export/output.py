"""The output of an exported file: logits, probabilities, or classes."""

from __future__ import annotations

from pathlib import Path

from segshrink.errors import ExportError, UsageError
from segshrink.export.litert_output import INT8_LOGITS, end_litert
from segshrink.export.metadata import read_metadata, write_metadata
from segshrink.export.onnx_output import end_onnx
from segshrink.export.openvino import end_openvino
from segshrink.formats import EXPORTED, Format, Output, Precision, listed_suffixes
from segshrink.records.metadata import FileMetadata

_ENDS = {
    Format.LITERT: end_litert,
    Format.ONNX: end_onnx,
    Format.OPENVINO: end_openvino,
}


def set_output(
    path: Path | str,
    output: Output | str = Output.LOGITS,
    *,
    temperature: float | None = None,
) -> None:
    """Let an exported file of logits give something else.

    Operations are appended to its graph; those before stay as they are. The metadata of
    the file say what it gives.

    Args:
        path: the file, which is replaced whole or not at all.
        output: `"probabilities"` is the softmax of the logits, float32; `"classes"` the
            index of the highest logit, uint8 `(1, height, width)`.
        temperature: above 0, what the logits are divided by; see
            `segshrink.metrics.fitted_temperature`. It changes no class.

    Raises:
        ExportError: if the file does not give logits, or is of another format.
        UsageError: if the output is unknown, or the temperature has no effect.
    """
    path = Path(path)
    format = Format.of_file(path)
    metadata = (read_metadata(path) if format in EXPORTED else None) or FileMetadata()
    output = _checked(path, format, metadata, output, temperature)
    if output is Output.LOGITS and temperature is None:
        return
    num_classes = _ENDS[Format(format or "")](path, output, temperature or 1.0)
    said: dict[str, object] = {"output": str(output), "num_classes": num_classes}
    if temperature is not None:
        said["temperature"] = temperature
    write_metadata(path, metadata.model_copy(update=said))


def _checked(
    path: Path,
    format: Format | None,
    metadata: FileMetadata,
    output: Output | str,
    temperature: float | None,
) -> Output:
    if format not in EXPORTED:
        raise ExportError(
            f"{path}: only of {listed_suffixes(EXPORTED)} files the output can be "
            "chosen. Export the model first."
        )
    if output not in tuple(Output):
        raise UsageError(
            f"output must be one of {', '.join(Output)}, got {str(output)!r}."
        )
    if metadata.output != Output.LOGITS or metadata.temperature is not None:
        raise ExportError(
            f"{path}: its output is settled already ({metadata.output}). Export the "
            "model again."
        )
    if temperature is None:
        return Output(output)
    if output == Output.CLASSES:
        raise UsageError(
            "a temperature changes no class and has no effect on a file that gives "
            "classes. Leave one of the two out."
        )
    if metadata.precision == Precision.FULL_INT8:
        raise UsageError(INT8_LOGITS)
    if not temperature > 0:
        raise UsageError(f"temperature must be above 0, got {temperature}.")
    return Output(output)
