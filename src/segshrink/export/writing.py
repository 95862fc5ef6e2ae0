"""Conversion of a Keras model to a file, under the TensorFlow backend of Keras."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segshrink.errors import ExportError
from segshrink.export.calibration import Calibration
from segshrink.export.tensor_matching import equal_tensors
from segshrink.formats import Format, Precision

if TYPE_CHECKING:
    import keras


def write_file(
    model: keras.Model,
    path: Path,
    precision: Precision,
    calibration: Calibration | None,
) -> None:
    """Convert `model` into the format that the suffix of `path` names.

    `export_model` checks the arguments, and gives a folder of its own, in which
    intermediate files may be left.

    Args:
        model: float32 model of one image of fixed size.
        path: file to write.
        precision: one that the format has.
        calibration: for a precision that is calibrated.

    Raises:
        ExportError: if the format has no writer.
    """
    format = Format.of_file(path)
    if format not in _WRITERS:
        raise ExportError(
            f"{path}: the format must be one of {', '.join(_WRITERS)}, got the suffix "
            f"{path.suffix or 'none'!r}."
        )
    _WRITERS[format](model, path, precision, calibration)


def _write_litert(
    model: keras.Model,
    path: Path,
    precision: Precision,
    calibration: Calibration | None,
) -> None:
    from segshrink.export.litert import litert_float32

    content = litert_float32(model)
    if precision is not Precision.FLOAT32:
        from segshrink.export.litert_quantized import (
            quantize_litert,
            tensors_of_litert,
        )

        if calibration is not None and calibration.has_exceptions:
            tensors = tensors_of_litert(content, calibration.images[0])
            calibration = _with_names_in_file(calibration, model, tensors)
        content = quantize_litert(content, precision, calibration)
    path.write_bytes(content)


def _write_onnx(
    model: keras.Model,
    path: Path,
    precision: Precision,
    calibration: Calibration | None,
) -> None:
    _onnx_file(model, path.parent / "steps", calibration).replace(path)


def _write_openvino(
    model: keras.Model,
    path: Path,
    precision: Precision,
    calibration: Calibration | None,
) -> None:
    from segshrink.export.openvino import write_openvino

    source = _onnx_file(model, path.parent / "steps", calibration)
    write_openvino(source, path, half=precision is Precision.FLOAT16)


def _onnx_file(
    model: keras.Model, steps: Path, calibration: Calibration | None
) -> Path:
    """An ONNX file in the folder `steps`, int8 where there is a calibration."""
    from segshrink.export.onnx import write_onnx

    steps.mkdir()
    source = steps / "float.onnx"
    write_onnx(model, source)
    if calibration is None:
        return source
    from segshrink.export.onnx_quantized import (
        prepare_onnx,
        quantize_onnx,
        tensors_of_onnx,
    )

    prepared = prepare_onnx(source, steps / "prepared.onnx")
    if calibration.has_exceptions:
        tensors = tensors_of_onnx(prepared, calibration.images[0])
        calibration = _with_names_in_file(calibration, model, tensors)
    quantized = steps / "quantized.onnx"
    quantize_onnx(prepared, quantized, calibration)
    return quantized


_WRITERS = {
    Format.LITERT: _write_litert,
    Format.ONNX: _write_onnx,
    Format.OPENVINO: _write_openvino,
}


def _with_names_in_file(
    calibration: Calibration,
    model: keras.Model,
    tensors: list[tuple[str, np.ndarray]],
) -> Calibration:
    """The calibration with the names of its tensors in the file.

    Args:
        calibration: with paths of the model's tensors.
        model: the model that the file was converted from.
        tensors: (name, values) of the file's tensors for the first calibration image.
    """
    from segshrink.quantization.fake_quantization import quantized_tensors

    of_model = quantized_tensors(model, calibration.images[0])
    return calibration.with_names(equal_tensors(of_model, tensors))
