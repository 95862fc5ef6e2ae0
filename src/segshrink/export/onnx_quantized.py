"""Static int8 quantization of an ONNX file after training.

Written as pairs of QuantizeLinear and DequantizeLinear, which ONNX Runtime and OpenVINO
fuse into integer operations: weights int8 with one scale per output channel,
activations uint8 with one scale per tensor.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from segshrink.quiet import quiet


def quantize_onnx(float_model: Path, path: Path, calibration: np.ndarray) -> None:
    """Quantize an `.onnx` file that `write_onnx` wrote.

    Args:
        float_model: the float32 file.
        path: file to write; input and output stay float32.
        calibration: uint8 `(images, height, width, 3)`, at least one; the range of
            every activation is taken from them.
    """
    with quiet(), tempfile.TemporaryDirectory(prefix="segshrink-onnx-") as folder:
        from onnxruntime.quantization import (
            CalibrationMethod,
            QuantFormat,
            QuantType,
            quantize_static,
        )
        from onnxruntime.quantization.shape_inference import quant_pre_process

        # Folds normalizations into convolutions, which would else be quantized apart.
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(float_model), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(path),
            _reader(prepared, calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )


def _reader(model: Path, calibration: np.ndarray) -> Any:
    import onnx
    from onnxruntime.quantization import CalibrationDataReader

    name = onnx.load(str(model), load_external_data=False).graph.input[0].name

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._images: Iterator[np.ndarray] = iter(calibration)

        def get_next(self) -> dict[str, np.ndarray] | None:
            # One image at a time, so that only one is held in float32.
            image = next(self._images, None)
            return None if image is None else {name: image[None].astype(np.float32)}

    return Reader()
