"""A Keras model becomes one file that a runtime without Keras opens."""

from __future__ import annotations

import importlib.util
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from segshrink.errors import MissingExtraError, UsageError
from segshrink.export.calibration import Calibration
from segshrink.export.litert_metadata import describe_litert
from segshrink.export.metadata import write_metadata
from segshrink.export.model_form import (
    fixed_input_shape,
    in_float32,
    without_augmentation,
)
from segshrink.export.output import set_output
from segshrink.export.placing import place
from segshrink.formats import EXPORTED, Format, Output, Precision
from segshrink.records.metadata import FileMetadata

if TYPE_CHECKING:
    import keras

# Packages that a format needs, and the extras that they come with.
_CONVERTERS = {
    Format.LITERT: {"tensorflow": "tensorflow"},
    Format.ONNX: {"tensorflow": "tensorflow", "onnx": "onnx", "tf2onnx": "onnx"},
    Format.OPENVINO: {
        "tensorflow": "tensorflow",
        "onnx": "onnx",
        "tf2onnx": "onnx",
        "openvino": "openvino",
    },
}
_QUANTIZERS = {
    Format.LITERT: {"ai_edge_litert": "litert", "litert_quantizer": "litert"},
    Format.ONNX: {"onnxruntime": "onnx"},
    Format.OPENVINO: {"onnxruntime": "onnx"},
}


def export_model(
    model: keras.Model,
    path: Path | str,
    *,
    format: Literal["litert", "onnx", "openvino"] | Format | None = None,
    quantize: Literal["float16", "dynamic", "int8", "full_int8"]
    | Precision
    | None = None,
    calibration: np.ndarray | Calibration | None = None,
    metadata: FileMetadata | None = None,
    output: Literal["logits", "probabilities", "classes"] | Output = Output.LOGITS,
) -> Path:
    """Write `model` as a LiteRT, ONNX or OpenVINO file for one image at a time.

    The file takes float32 0-255 `(1, height, width, bands)` and gives float32 logits
    `(1, height, width, classes)`, quantized or not; a "full_int8" file takes and gives
    int8. It is written whole or not at all. An OpenVINO model is two files, `.xml` and
    `.bin`.

    Args:
        model: segmentation model with one image of fixed size as its input; see
            `with_input_size` for another size.
        path: file to write, with the suffix of its format.
        format: `"litert"` (`.tflite`), `"onnx"` (`.onnx`) or `"openvino"` (`.xml`); by
            default the one that the suffix names.
        quantize: None is float32. `"float16"` stores weights in 16 bits (LiteRT,
            OpenVINO). `"dynamic"` has int8 weights and float32 activations (LiteRT).
            `"int8"` has both in int8 (all formats). `"full_int8"` has input and output
            in int8 too, for microcontrollers (LiteRT).
        calibration: uint8 `(images, height, width, bands)` for `"int8"` and
            `"full_int8"`: images like those the model will see; 64 tiles of the
            training part are a good number. A `Calibration` also sets the ranges of
            single tensors, or computes them in float32.
        metadata: classes, data and scores that the file shall carry; see
            `read_metadata`.
        output: what the file shall give; see `set_output`.

    Returns:
        `path` as a `Path`.

    Warns:
        UserWarning: if parts of an int8 LiteRT file stay float32; see
            `quantize_litert`.

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
    target, precision = _checked_target(path, format, quantize)
    if calibration is not None and not isinstance(calibration, Calibration):
        calibration = Calibration(np.asarray(calibration))
    fixed_input_shape(model)
    model = _giving_logits(model)
    shape = tuple(model.inputs[0].shape[1:])
    _check_calibration(calibration, precision, shape)
    _check_packages(target, precision)
    model = without_augmentation(in_float32(model))
    with tempfile.TemporaryDirectory(prefix="segshrink-export-") as folder:
        written = Path(folder) / path.name
        _write(model, written, precision, calibration)
        if metadata is not None:
            write_metadata(written, metadata)
        elif target is Format.LITERT:
            describe_litert(written, FileMetadata())
        if target is Format.LITERT and calibration and not calibration.float_tensors:
            _warn_of_float_operations(written)
        set_output(written, output)
        place(written, path)
    return path


def _giving_logits(model: keras.Model) -> keras.Model:
    """The model as it is loaded from a file: what is said of logits holds for it."""
    from segshrink.models import with_logits

    return with_logits(model)


def _write(
    model: keras.Model,
    path: Path,
    precision: Precision,
    calibration: Calibration | None,
) -> None:
    import keras

    if keras.config.backend() == "tensorflow":
        from segshrink.export.writing import write_file

        write_file(model, path, precision, calibration)
    else:
        from segshrink.export.worker import write_file_in_subprocess

        write_file_in_subprocess(model, path, precision, calibration)


def _warn_of_float_operations(path: Path) -> None:
    from segshrink.export.litert_quantized import float_operations

    left_in_float = float_operations(path.read_bytes())
    if left_in_float:
        warnings.warn(
            f"{path.name}: these operations have no int8 form and stay float32 in the "
            f"file: {', '.join(left_in_float)}. ReLU and ReLU6 quantize completely.",
            stacklevel=3,
        )


def _checked_target(
    path: Path, format: str | None, quantize: str | None
) -> tuple[Format, Precision]:
    if format is None:
        format = Format.of_file(path) or path.suffix
    if format not in EXPORTED:
        raise UsageError(
            f"format must be one of {', '.join(EXPORTED)}, got {format!r}."
        )
    target = Format(format)
    if quantize is not None and quantize not in target.precisions:
        known = ["None", *(repr(each.value) for each in target.precisions[1:])]
        raise UsageError(
            f"quantize must be one of {', '.join(known)} for {target} files, got "
            f"{quantize!r}."
        )
    if path.suffix != target.suffix:
        raise UsageError(
            f"{path}: a file in {target} format must end in {target.suffix}, got "
            f"{path.suffix or 'no suffix'!r}."
        )
    return target, Precision.of(quantize)


def _check_calibration(
    calibration: Calibration | None, precision: Precision, shape: tuple[int, ...]
) -> None:
    if not precision.is_calibrated:
        if calibration is not None:
            raise UsageError(
                f"calibration images have no effect on a {precision} file. Drop them, "
                "or pass quantize='int8'."
            )
        return
    needed = f"uint8 (images, {', '.join(map(str, shape))})"
    if calibration is None:
        raise UsageError(
            f"quantize={precision.value!r} needs calibration images: {needed}, "
            "for example 64 tiles of the training part."
        )
    images = calibration.images
    is_uint8 = images.dtype == np.uint8
    if not is_uint8 or images.shape[1:] != shape or len(images) == 0:
        raise UsageError(
            f"calibration must be {needed} with at least one image, got "
            f"{images.dtype} {images.shape}."
        )


def _check_packages(format: Format, precision: Precision) -> None:
    needed = dict(_CONVERTERS[format])
    is_quantized = precision is not Precision.FLOAT32
    if precision.is_calibrated or format is Format.LITERT and is_quantized:
        needed |= _QUANTIZERS[format]
    for package, extra in needed.items():
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(f"Writing {precision} {format}", extra)
