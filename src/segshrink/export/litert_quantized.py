"""Quantization of a LiteRT flatbuffer after training.

Integer weights are symmetric with one scale per output channel; integer activations are
asymmetric with one scale per tensor. Reference: Jacob et al., Quantization and Training
of Neural Networks for Efficient Integer-Arithmetic-Only Inference, 2018.
"""

import re
from collections import Counter
from collections.abc import Collection
from typing import Any

import numpy as np

from segshrink.export.calibration import Calibration
from segshrink.export.litert import INPUT_NAME
from segshrink.formats import Precision
from segshrink.quiet import quiet
from segshrink.records import usable_cores

_SIGNATURE = "serving_default"


def quantize_litert(
    float_model: bytes, precision: Precision, calibration: Calibration | None = None
) -> bytes:
    """Quantize a `.tflite` file that `litert_float32` wrote.

    Operations for which the quantizer has no integer form (LeakyReLU, ELU and nearest
    upsampling among the layers of this field) stay float32 inside the file;
    `float_operations` names them.

    Args:
        float_model: content of a float32 `.tflite` file.
        precision: "float16" stores weights in 16 bits and computes in float32;
            "dynamic" has int8 weights and finds the range of each activation while it
            runs; "int8" has int8 weights and activations, whose ranges are settled
            here, and takes and gives float32; "full_int8" also takes and gives int8, as
            processors without floating point need.
        calibration: for "int8" and "full_int8"; it names tensors as the file does.

    Returns:
        Content of the quantized `.tflite` file.
    """
    with quiet():
        from litert_quantizer.quantizer import Quantizer

        recipe = _recipe(precision, calibration.float_tensors if calibration else ())
        observed = None
        if calibration is not None:
            observed = _activation_ranges(float_model, calibration.images, recipe)
            for name, (low, high) in calibration.ranges.items():
                of_tensor = observed[name]
                of_tensor["min"] = np.full_like(of_tensor["min"], low)
                of_tensor["max"] = np.full_like(of_tensor["max"], high)
        quantizer = Quantizer(float_model)
        quantizer.load_quantization_recipe(recipe.get_quantization_recipe())
        result = quantizer.quantize(
            observed, enable_progress_bar=False, enable_progress_report=False
        )
    return bytes(result.quantized_model)


def _recipe(precision: Precision, float_tensors: Collection[str]) -> Any:
    from litert_quantizer.algorithm_manager import AlgorithmName
    from litert_quantizer.qtyping import TFLOperationName
    from litert_quantizer.recipe_manager import RecipeManager

    recipe = RecipeManager()
    everything = {"regex": ".*", "operation_name": TFLOperationName.ALL_SUPPORTED}
    if precision is Precision.FLOAT16:
        recipe.add_weight_only_config(
            **everything, num_bits=16, algorithm_key=AlgorithmName.FLOAT_CASTING
        )
        return recipe
    if precision is Precision.DYNAMIC:
        recipe.add_dynamic_config(**everything, num_bits=8)
        return recipe
    recipe.add_static_config(**everything, activation_num_bits=8, weight_num_bits=8)
    if precision is Precision.INT8:
        for boundary in (TFLOperationName.INPUT, TFLOperationName.OUTPUT):
            recipe.add_quantization_config(
                regex=".*",
                operation_name=boundary,
                algorithm_key=AlgorithmName.NO_QUANTIZE,
            )
    for name in float_tensors:
        recipe.add_quantization_config(
            regex=f"(^|;){re.escape(name)};",
            operation_name=TFLOperationName.ALL_SUPPORTED,
            algorithm_key=AlgorithmName.NO_QUANTIZE,
        )
    return recipe


def tensors_of_litert(
    float_model: bytes, image: np.ndarray
) -> list[tuple[str, np.ndarray]]:
    """(name, values) of the outputs of all operations of a float32 file for an image.

    Args:
        float_model: content of a float32 `.tflite` file.
        image: uint8 `(height, width, 3)`.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with quiet():
        interpreter = Interpreter(
            model_content=float_model,
            experimental_preserve_all_tensors=True,
            # XNNPACK does not show the tensors between its operations.
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
        place = interpreter.get_input_details()[0]["index"]
        interpreter.set_tensor(place, image[None].astype(np.float32))
        interpreter.invoke()
    names = {x["index"]: x["name"] for x in interpreter.get_tensor_details()}
    outputs = [i for x in interpreter._get_ops_details() for i in x["outputs"]]
    return [(names[i], interpreter.get_tensor(i)) for i in (place, *outputs)]


def _activation_ranges(
    float_model: bytes, images: np.ndarray, recipe: Any
) -> dict[str, dict[str, np.ndarray]]:
    """Lowest and highest value of every tensor over all calibration images.

    The quantizer's default is a moving average, which depends on the order of the
    images and clips values that only a few of them show.
    """
    from litert_quantizer.calibrator import CalibrationMode, Calibrator
    from litert_quantizer.utils.qsv_utils import min_max_update

    calibrator = Calibrator(
        float_model,
        num_threads=len(usable_cores()),
        mode=CalibrationMode.CALIBRATION_PROFILER_BASED,
        qsv_update_func=min_max_update,
    )
    # One image per call, so that only one is held in float32.
    for image in images:
        sample = {INPUT_NAME: image[None].astype(np.float32)}
        calibrator.calibrate({_SIGNATURE: [sample]}, recipe)
    return calibrator.get_model_qsvs()


def float_operations(litert_model: bytes) -> tuple[str, ...]:
    """Operations of a `.tflite` file that compute in float32, as `"ELU (2)"`."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=litert_model)
    in_float = {
        tensor["index"]
        for tensor in interpreter.get_tensor_details()
        if tensor["dtype"] == np.float32
    }
    counts = Counter(
        operation["op_name"]
        for operation in interpreter._get_ops_details()
        if operation["op_name"] not in ("QUANTIZE", "DEQUANTIZE")
        and in_float.intersection(operation["outputs"])
    )
    return tuple(f"{name} ({count})" for name, count in sorted(counts.items()))
