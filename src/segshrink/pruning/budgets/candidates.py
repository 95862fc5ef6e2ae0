"""What budgets that are measured on exported files share."""

from typing import Any

import keras
import numpy as np

from segshrink.errors import UsageError

SUFFIXES = {"litert": ".tflite", "onnx": ".onnx"}


def require_format(budget: str, runtime: str, quantize: str | None) -> None:
    """Raise `UsageError` for a runtime or quantization that candidates do not have."""
    if runtime not in SUFFIXES:
        raise UsageError(
            f"{budget}: runtime must be one of {', '.join(SUFFIXES)}, got {runtime!r}."
        )
    if quantize not in (None, "int8") or (quantize and runtime != "litert"):
        raise UsageError(
            f"{budget}: quantize must be None, or 'int8' with runtime 'litert', got "
            f"{quantize!r} with {runtime!r}."
        )


def calibration_images(model: keras.Model) -> Any:
    """Noise to calibrate a candidate with: neither its size nor its latency cares."""
    random = np.random.default_rng(0)
    shape = (4, *model.input_shape[1:])
    return random.integers(0, 256, shape, dtype=np.uint8)
