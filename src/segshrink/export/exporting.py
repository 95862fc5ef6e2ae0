"""A Keras model becomes one file that a runtime without Keras opens."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
import warnings
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from segshrink.errors import MissingExtraError, UsageError
from segshrink.export.metadata import write_metadata
from segshrink.export.model_form import fixed_input_shape, in_float32
from segshrink.export.tensor_matching import equal_tensors
from segshrink.records import atomic_write

if TYPE_CHECKING:
    import keras

SUFFIXES = {"litert": ".tflite", "onnx": ".onnx", "openvino": ".xml"}
# What each format can be reduced to; None is float32.
FORMS: dict[str, tuple[str | None, ...]] = {
    "litert": (None, "float16", "dynamic", "int8", "full_int8"),
    "onnx": (None, "int8"),
    "openvino": (None, "float16", "int8"),
}
# Those whose ranges of activations are settled beforehand.
CALIBRATED = ("int8", "full_int8")
# Packages, and the extras they come with.
_PACKAGES = {
    "litert": {"tensorflow": "tensorflow"},
    "onnx": {"tensorflow": "tensorflow", "onnx": "onnx", "tf2onnx": "onnx"},
    "openvino": {
        "tensorflow": "tensorflow",
        "onnx": "onnx",
        "tf2onnx": "onnx",
        "openvino": "openvino",
    },
}
_QUANTIZERS = {
    "litert": {"ai_edge_litert": "litert", "litert_quantizer": "litert"},
    "onnx": {"onnxruntime": "onnx"},
    "openvino": {"onnxruntime": "onnx"},
}


def export_model(
    model: keras.Model,
    path: Path | str,
    *,
    format: Literal["litert", "onnx", "openvino"] = "litert",
    quantize: Literal["float16", "dynamic", "int8", "full_int8"] | None = None,
    calibration: np.ndarray | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    in_float: Collection[str] = (),
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """Write `model` as a LiteRT, ONNX or OpenVINO file for one image at a time.

    The file takes float32 RGB 0-255 `(1, height, width, 3)` and gives float32 logits
    `(1, height, width, classes)`, quantized or not; a "full_int8" file takes and gives
    int8. It is written whole or not at all. OpenVINO's is two files, `.xml` and `.bin`.

    Args:
        model: segmentation model with one image of fixed size as its input; see
            `with_input_size` for another size.
        path: file to write; `.tflite` for LiteRT, `.onnx` for ONNX, `.xml` for
            OpenVINO.
        format: `"litert"`, `"onnx"` or `"openvino"`.
        quantize: None is float32. `"float16"` stores weights in 16 bits (LiteRT,
            OpenVINO). `"dynamic"` has int8 weights and float32 activations (LiteRT).
            `"int8"` has both in int8 (all formats). `"full_int8"` has input and output
            in int8 too, for microcontrollers (LiteRT).
        calibration: uint8 `(images, height, width, 3)` for `"int8"` and `"full_int8"`:
            images like those the model will see; 64 tiles of the training part are a
            good number.
        ranges: lowest and highest value of tensors in place of those that the
            calibration images show, as of `segshrink.quantization.FakeQuantizedModel`.
        in_float: paths of tensors, as in `ranges`, that an int8 file computes in
            float32; see `FakeQuantizedModel.keep_in_float`.
        facts: plain data that the file shall carry; see `read_metadata`.

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
    _check_target(path, format, quantize)
    height_px, width_px = fixed_input_shape(model)
    _check_calibration(calibration, quantize, height_px, width_px)
    if (ranges or in_float) and quantize not in CALIBRATED:
        raise UsageError(
            f"ranges and in_float have no effect on a {quantize or 'float32'} file. "
            "Drop them, or pass quantize='int8'."
        )
    _check_packages(format, quantize)
    import keras

    model = in_float32(model)
    with tempfile.TemporaryDirectory(prefix="segshrink-export-") as folder:
        made = Path(folder) / path.name
        if keras.config.backend() != "tensorflow":
            from segshrink.export.worker import export_in_subprocess

            export_in_subprocess(
                model, made, format, quantize, calibration, ranges, in_float
            )
        else:
            write = _litert if format == "litert" else _by_onnx
            write(model, made, quantize, calibration, ranges or {}, in_float)
        if facts is not None:
            write_metadata(made, facts)
        if quantize in CALIBRATED and format == "litert" and not in_float:
            _warn_of_float_operations(made)
        place(made, path)
    return path


def place(made: Path, path: Path) -> None:
    """Move a finished file to where it belongs, whole or not at all."""
    if made.suffix == ".xml":
        from segshrink.export.openvino import place_pair

        place_pair(made, path)
        return
    with atomic_write(path) as partial:
        shutil.copyfile(made, partial)


def _litert(
    model: keras.Model,
    path: Path,
    quantize: str | None,
    calibration: np.ndarray | None,
    ranges: Mapping[str, tuple[float, float]],
    in_float: Collection[str],
) -> None:
    from segshrink.export.litert import litert_float32

    content = litert_float32(model, *fixed_input_shape(model))
    if quantize is not None:
        from segshrink.export.litert_quantized import (
            quantize_litert,
            tensors_of_litert,
        )

        names: dict[str, list[str]] = {}
        if calibration is not None and (ranges or in_float):
            tensors = tensors_of_litert(content, calibration[0])
            names = _names_in_file(model, calibration[0], tensors)
        content = quantize_litert(
            content,
            quantize,
            calibration,
            ranges={
                name: ends
                for path, ends in ranges.items()
                for name in names.get(path, ())
            },
            in_float=[name for path in in_float for name in names.get(path, ())],
        )
    path.write_bytes(content)


def _by_onnx(
    model: keras.Model,
    path: Path,
    quantize: str | None,
    calibration: np.ndarray | None,
    ranges: Mapping[str, tuple[float, float]],
    in_float: Collection[str],
) -> None:
    """ONNX, and OpenVINO, which is made from it."""
    from segshrink.export.onnx import write_onnx

    source = path.with_name("float.onnx") if quantize else path.with_suffix(".onnx")
    write_onnx(model, source, *fixed_input_shape(model))
    if calibration is not None:
        from segshrink.export.onnx_quantized import quantize_onnx

        quantized = path.with_suffix(".onnx")
        quantize_onnx(
            source,
            quantized,
            calibration,
            names_of=partial(_names_in_file, model, calibration[0])
            if ranges or in_float
            else None,
            ranges=ranges,
            in_float=in_float,
        )
        source = quantized
    if path.suffix == SUFFIXES["openvino"]:
        from segshrink.export.openvino import write_openvino

        write_openvino(source, path, half=quantize == "float16")


def _names_in_file(
    model: keras.Model, image: np.ndarray, tensors: list[tuple[str, np.ndarray]]
) -> dict[str, list[str]]:
    """By path of a call, the names of its tensors in the file."""
    from segshrink.quantization.fake_quantization import rounded_tensors

    return equal_tensors(rounded_tensors(model, image), tensors)


def _warn_of_float_operations(path: Path) -> None:
    from segshrink.export.litert_quantized import float_operations

    left_in_float = float_operations(path.read_bytes())
    if left_in_float:
        warnings.warn(
            f"{path.name}: these operations have no int8 form and stay float32 in the "
            f"file: {', '.join(left_in_float)}. ReLU and ReLU6 quantize completely.",
            stacklevel=3,
        )


def _check_target(path: Path, format: str, quantize: str | None) -> None:
    if format not in SUFFIXES:
        raise UsageError(
            f"format must be one of {', '.join(SUFFIXES)}, got {format!r}."
        )
    if quantize not in FORMS[format]:
        known = ", ".join(repr(form) for form in FORMS[format])
        raise UsageError(
            f"quantize must be one of {known} for {format} files, got {quantize!r}."
        )
    if path.suffix != SUFFIXES[format]:
        raise UsageError(
            f"{path}: a {format} file must end in {SUFFIXES[format]}, got "
            f"{path.suffix or 'no suffix'!r}."
        )


def _check_calibration(
    calibration: np.ndarray | None, quantize: str | None, height_px: int, width_px: int
) -> None:
    if quantize not in CALIBRATED:
        if calibration is not None:
            raise UsageError(
                f"calibration images have no effect on a {quantize or 'float32'} file. "
                "Drop them, or pass quantize='int8'."
            )
        return
    if calibration is None:
        raise UsageError(
            f"quantize={quantize!r} needs calibration images: uint8 (images, "
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
    needed = dict(_PACKAGES[format])
    if quantize in CALIBRATED or format == "litert" and quantize:
        needed |= _QUANTIZERS[format]
    for package, extra in needed.items():
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(f"Writing {quantize or 'float32'} {format}", extra)
