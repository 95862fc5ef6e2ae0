"""Quantization of ONNX files."""

import keras
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from segshrink.export import export_model
from segshrink.runtimes import load_artifact

_LARGEST_OF_TWO_PRODUCTS = 2**15 - 1
IMAGES = np.full((2, 16, 16, 3), 255, np.uint8)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """File of a model whose every product is the largest possible."""
    image = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(1 / 255)(image)
    same = {"padding": "same", "kernel_initializer": "ones", "use_bias": False}
    x = keras.layers.Conv2D(16, 3, activation="relu", **same)(x)
    model = keras.Model(image, keras.layers.Conv2D(2, 1, **same)(x))
    return export_model(
        model,
        tmp_path_factory.mktemp("onnx") / "s.onnx",
        format="onnx",
        quantize="int8",
        calibration=IMAGES,
    )


def test_no_two_products_are_more_than_16_bits_hold(file):
    # Processors without int8 dot products add two before they widen the sum.
    kernels = [
        numpy_helper.to_array(tensor).astype(int)
        for tensor in onnx.load(file).graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 4
    ]
    assert len(kernels) == 2
    for kernel in kernels:
        # Not so few that precision is given away.
        assert 60 <= abs(kernel).max()
        assert 2 * 255 * abs(kernel).max() <= _LARGEST_OF_TWO_PRODUCTS


def test_largest_sums_are_right_on_this_processor(file):
    logits = load_artifact(file).predict(IMAGES[:1])
    # 3 channels within a border, 9 places in the middle, 16 channels.
    assert logits[0, 8, 8] == pytest.approx([27 * 16] * 2, rel=0.02)
