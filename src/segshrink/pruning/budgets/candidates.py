"""Export of candidates for budgets that are measured on files."""

from pathlib import Path

import keras
import numpy as np

from segshrink.errors import UsageError
from segshrink.export import export_model
from segshrink.formats import Format

_FORMATS = (Format.LITERT, Format.ONNX)


def require_format(budget: str, runtime: str, quantize: str | None) -> None:
    """Raise `UsageError` for a runtime or quantization that candidates do not have."""
    if runtime not in _FORMATS:
        raise UsageError(
            f"{budget}: runtime must be one of {', '.join(_FORMATS)}, got {runtime!r}."
        )
    if quantize not in (None, "int8") or (quantize and runtime != "litert"):
        raise UsageError(
            f"{budget}: quantize must be None, or 'int8' with runtime 'litert', got "
            f"{quantize!r} with {runtime!r}."
        )


def export_candidate(
    model: keras.Model, folder: Path, name: str, runtime: str, quantize: str | None
) -> Path:
    """Write a candidate as a file for a runtime.

    An int8 file is calibrated on noise, which changes neither size nor latency.
    """
    images = None
    if quantize:
        random = np.random.default_rng(0)
        images = random.integers(0, 256, (4, *model.input_shape[1:]), dtype=np.uint8)
    format = Format(runtime)
    return export_model(
        model,
        folder / f"{name}{format.suffix}",
        format=format,
        quantize=quantize,  # type: ignore[arg-type]
        calibration=images,
    )
