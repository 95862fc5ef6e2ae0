"""Static int8 quantization of an ONNX file after training.

Written as pairs of QuantizeLinear and DequantizeLinear, which ONNX Runtime and OpenVINO
fuse into integer operations: weights of 7 bits in int8 with one scale per output
channel, activations uint8 with one scale per tensor.
"""

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from segshrink.quiet import quiet

Tensors = list[tuple[str, np.ndarray]]


def quantize_onnx(
    float_model: Path,
    path: Path,
    calibration: np.ndarray,
    *,
    names_of: Callable[[list[tuple[str, np.ndarray]]], dict[str, list[str]]]
    | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    in_float: Collection[str] = (),
) -> None:
    """Quantize an `.onnx` file that `write_onnx` wrote.

    Args:
        float_model: the float32 file.
        path: file to write; input and output stay float32.
        calibration: uint8 `(images, height, width, 3)`, at least one; the range of
            every activation is taken from them.
        names_of: from (name, values) of all tensors of the file for the first of these
            images, names by path; needed with `ranges` and `in_float`.
        ranges: by path, a range in place of that from the images.
        in_float: paths of what is computed in float32.
    """
    with quiet(), tempfile.TemporaryDirectory(prefix="segshrink-onnx-") as folder:
        import onnx
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
        options: dict[str, Any] = {}
        if names_of is not None:
            model = onnx.load(str(prepared))
            names = names_of(tensors_of_onnx(model, calibration[0]))
            options = _own_settings(model, names, ranges or {}, in_float)
        quantize_static(
            str(prepared),
            str(path),
            _reader(prepared, calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            # Processors without int8 dot products (AVX2, AVX-512 without VNNI) add two
            # products in 16 bits, which overflow unless weights take 7 bits.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            **options,
        )


def _own_settings(
    model: Any,
    names: dict[str, list[str]],
    ranges: Mapping[str, tuple[float, float]],
    in_float: Collection[str],
) -> dict[str, Any]:
    overrides = {
        name: [{"rmin": np.float32(min(low, 0.0)), "rmax": np.float32(max(high, 0.0))}]
        for path, (low, high) in ranges.items()
        for name in names.get(path, ())
    }
    tensors = {name for path in in_float for name in names.get(path, ())}
    makers = {output: node for node in model.graph.node for output in node.output}
    excluded = []
    for name in tensors & makers.keys():
        node = makers[name]
        excluded.append(node.name)
        # The activation is joined to what comes before it.
        if node.op_type in ("Relu", "Clip") and node.input[0] in makers:
            excluded.append(makers[node.input[0]].name)
    return {
        "nodes_to_exclude": excluded,
        "extra_options": {"TensorQuantOverrides": overrides},
    }


def tensors_of_onnx(model: Any, image: np.ndarray) -> Tensors:
    """(name, values) of all that the operations of a float32 model give for an image.

    Args:
        model: ONNX model.
        image: uint8 `(height, width, 3)`.
    """
    import onnx
    import onnxruntime

    looked_at = onnx.ModelProto()
    looked_at.CopyFrom(model)
    known = {output.name for output in model.graph.output}
    names = [name for node in model.graph.node for name in node.output if name]
    looked_at.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name)
        for name in names
        if name not in known
    )
    # Joined operations do not show what lies between them.
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    )
    session = onnxruntime.InferenceSession(
        looked_at.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    pixels = image[None].astype(np.float32)
    found = session.run(names, {session.get_inputs()[0].name: pixels})
    start = (session.get_inputs()[0].name, pixels)
    pairs = [start, *zip(names, found, strict=True)]
    return [(name, x) for name, x in pairs if x.dtype == np.float32]


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
