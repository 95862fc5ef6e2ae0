"""A Keras model becomes one file that a runtime without Keras opens."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from segshrink.errors import MissingExtraError, UsageError
from segshrink.export.model_form import fixed_input_shape, in_float32
from segshrink.records import written_whole

if TYPE_CHECKING:
    import keras

SUFFIXES = {"litert": ".tflite", "onnx": ".onnx"}
_PACKAGES = {
    ("litert", None): {"tensorflow": "tensorflow"},
    ("litert", "int8"): {
        "tensorflow": "tensorflow",
        "ai_edge_litert": "litert",
        "litert_quantizer": "litert",
    },
    ("onnx", None): {"tensorflow": "tensorflow", "onnx": "onnx", "tf2onnx": "onnx"},
}


def export_model(
    model: keras.Model,
    path: Path | str,
    *,
    format: Literal["litert", "onnx"] = "litert",
    quantize: Literal["int8"] | None = None,
    calibration: np.ndarray | None = None,
) -> Path:
    """Write `model` as a LiteRT or ONNX file for one image at a time.

    The file takes float32 RGB 0-255 `(1, height, width, 3)` and gives float32 logits
    `(1, height, width, classes)`, quantized or not. It is written whole or not at all.

    Args:
        model: segmentation model with one image of fixed size as its input.
        path: file to write; `.tflite` for LiteRT, `.onnx` for ONNX.
        format: `"litert"` or `"onnx"`.
        quantize: `"int8"` for static int8 weights and activations (LiteRT only), or
            None for float32.
        calibration: uint8 `(images, height, width, 3)` for int8: images like those the
            model will see; 64 tiles of the training part are a good number.

    Returns:
        `path` as a `Path`.

    Warns:
        UserWarning: if parts of an int8 file stay float32; see `quantize_static_int8`.

    Raises:
        UsageError: for an unknown or contradictory argument.
        ModelError: for a model that is not one image in, logits out.
        MissingExtraError: if a package that the format needs is not installed.
        ExportError: if the format cannot express the model.

    Example:
        ```python
        export_model(model, "student.tflite", quantize="int8", calibration=images)
        ```
    """
    path = Path(path)
    _check_target(path, format, quantize)
    height_px, width_px = fixed_input_shape(model)
    _check_calibration(calibration, quantize, height_px, width_px)
    _check_packages(format, quantize)
    import keras

    model = in_float32(model)
    with written_whole(path) as partial:
        if keras.config.backend() != "tensorflow":
            from segshrink.export.worker import export_in_subprocess

            export_in_subprocess(model, partial, format, calibration)
        elif format == "onnx":
            from segshrink.export.onnx import write_onnx

            write_onnx(model, partial, height_px, width_px)
        else:
            partial.write_bytes(_litert(model, height_px, width_px, calibration))
    if quantize is not None:
        _warn_of_float_operations(path)
    return path


def _litert(
    model: keras.Model, height_px: int, width_px: int, calibration: np.ndarray | None
) -> bytes:
    from segshrink.export.litert import litert_float32

    float_model = litert_float32(model, height_px, width_px)
    if calibration is None:
        return float_model
    from segshrink.export.int8 import quantize_static_int8

    return quantize_static_int8(float_model, calibration)


def _warn_of_float_operations(path: Path) -> None:
    from segshrink.export.int8 import float_operations

    left_in_float = float_operations(path.read_bytes())
    if left_in_float:
        warnings.warn(
            f"{path}: these operations have no int8 form and stay float32 in the file: "
            f"{', '.join(left_in_float)}. ReLU and ReLU6 quantize completely.",
            stacklevel=3,
        )


def _check_target(path: Path, format: str, quantize: str | None) -> None:
    if format not in SUFFIXES:
        raise UsageError(
            f"format must be one of {', '.join(SUFFIXES)}, got {format!r}."
        )
    if quantize not in (None, "int8"):
        raise UsageError(f"quantize must be 'int8' or None, got {quantize!r}.")
    if (format, quantize) not in _PACKAGES:
        raise UsageError(
            f"{quantize} {format} files are not available yet. Available: litert in "
            "float32 (quantize=None) and int8, onnx in float32 (quantize=None)."
        )
    if path.suffix != SUFFIXES[format]:
        raise UsageError(
            f"{path}: a {format} file must end in {SUFFIXES[format]}, got "
            f"{path.suffix or 'no suffix'!r}."
        )


def _check_calibration(
    calibration: np.ndarray | None, quantize: str | None, height_px: int, width_px: int
) -> None:
    if quantize is None:
        if calibration is not None:
            raise UsageError(
                "calibration images have no effect on a float32 file. Drop them, or "
                "pass quantize='int8'."
            )
        return
    if calibration is None:
        raise UsageError(
            "quantize='int8' needs calibration images: uint8 (images, "
            f"{height_px}, {width_px}, 3), for example 64 tiles of the training part."
        )
    expected = (height_px, width_px, 3)
    if (
        calibration.dtype != np.uint8
        or calibration.shape[1:] != expected
        or len(calibration) == 0
    ):
        raise UsageError(
            f"calibration must be uint8 (images, {height_px}, {width_px}, 3) with at "
            f"least one image, got {calibration.dtype} {calibration.shape}."
        )


def _check_packages(format: str, quantize: str | None) -> None:
    for package, extra in _PACKAGES[format, quantize].items():
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(f"Writing {quantize or 'float32'} {format}", extra)
