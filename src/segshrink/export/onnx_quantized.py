"""Static int8 quantization of an ONNX file after training.

Written as pairs of QuantizeLinear and DequantizeLinear, which ONNX Runtime and OpenVINO
fuse into integer operations: weights of 7 bits in int8 with one scale per output
channel, activations uint8 with one scale per tensor.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from segshrink.export.calibration import Calibration
from segshrink.quiet import quiet


def prepare_onnx(float_model: Path, path: Path) -> Path:
    """Fold normalizations into convolutions, which would be quantized apart from them.

    Args:
        float_model: file that `write_onnx` wrote.
        path: file to write.

    Returns:
        `path`.
    """
    with quiet():
        from onnxruntime.quantization.shape_inference import quant_pre_process

        quant_pre_process(str(float_model), str(path), skip_symbolic_shape=True)
    return path


def quantize_onnx(prepared: Path, path: Path, calibration: Calibration) -> None:
    """Quantize an `.onnx` file that `prepare_onnx` wrote.

    Args:
        prepared: the float32 file.
        path: file to write; input and output stay float32.
        calibration: it names tensors as `prepared` does.
    """
    with quiet():
        from onnxruntime.quantization import (
            CalibrationMethod,
            QuantFormat,
            QuantType,
            quantize_static,
        )

        quantize_static(
            str(prepared),
            str(path),
            _reader(prepared, calibration.images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            # Processors without int8 dot products (AVX2, AVX-512 without VNNI) add two
            # products in 16 bits, which overflow unless weights take 7 bits.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=_nodes_of(prepared, calibration),
            extra_options={"TensorQuantOverrides": _overrides(calibration)},
        )


def _overrides(calibration: Calibration) -> dict[str, list[dict[str, np.float32]]]:
    """Ranges of single tensors, each widened to hold zero."""
    return {
        name: [{"rmin": np.float32(min(low, 0.0)), "rmax": np.float32(max(high, 0.0))}]
        for name, (low, high) in calibration.ranges.items()
    }


def _nodes_of(prepared: Path, calibration: Calibration) -> list[str]:
    """Names of the nodes that compute the tensors which stay in float32."""
    import onnx

    nodes = onnx.load(str(prepared)).graph.node if calibration.float_tensors else ()
    producers = {output: node for node in nodes for output in node.output}
    names = []
    for tensor in set(calibration.float_tensors) & producers.keys():
        node = producers[tensor]
        names.append(node.name)
        # An activation is fused with the node before it.
        if node.op_type in ("Relu", "Clip") and node.input[0] in producers:
            names.append(producers[node.input[0]].name)
    return names


def tensors_of_onnx(file: Path, image: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """(name, values) of the outputs of all operations of a float32 file for an image.

    Args:
        file: ONNX file.
        image: uint8 `(height, width, 3)`.
    """
    import onnx
    import onnxruntime

    model = onnx.load(str(file))
    known = {output.name for output in model.graph.output}
    names = [name for node in model.graph.node for name in node.output if name]
    model.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name)
        for name in names
        if name not in known
    )
    # Fused operations do not show the tensors between them.
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    input_name = session.get_inputs()[0].name
    pixels = image[None].astype(np.float32)
    values = session.run(names, {input_name: pixels})
    pairs = [(input_name, pixels), *zip(names, values, strict=True)]
    return [(name, x) for name, x in pairs if x.dtype == np.float32]


def _reader(model: Path, images: np.ndarray) -> Any:
    import onnx
    from onnxruntime.quantization import CalibrationDataReader

    name = onnx.load(str(model), load_external_data=False).graph.input[0].name

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._images: Iterator[np.ndarray] = iter(images)

        def get_next(self) -> dict[str, np.ndarray] | None:
            # One image per call, so that only one is held in float32.
            image = next(self._images, None)
            return None if image is None else {name: image[None].astype(np.float32)}

    return Reader()
