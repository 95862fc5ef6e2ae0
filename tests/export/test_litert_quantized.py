"""Quantization of LiteRT files."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from export.tiny_models import blotchy_images
from segshrink.export.calibration import Calibration
from segshrink.export.litert import litert_float32
from segshrink.export.litert_quantized import float_operations, quantize_litert
from segshrink.formats import Precision

IMAGES = blotchy_images(4, size_px=16)


@pytest.fixture(scope="module")
def float_file():
    keras.utils.set_random_seed(0)
    wide = keras.Sequential([keras.Input((16, 16, 3))])
    for _ in range(2):
        wide.add(keras.layers.Conv2D(64, 3, padding="same", activation="relu"))
    return litert_float32(wide)


def quantized(float_file, precision, images=None):
    calibration = None if images is None else Calibration(images)
    return quantize_litert(float_file, Precision(precision), calibration)


def test_weights_take_a_quarter_of_the_bytes(float_file):
    assert len(quantized(float_file, "int8", IMAGES)) < 0.3 * len(float_file)


def test_order_of_the_calibration_images_does_not_matter(float_file):
    forwards = quantized(float_file, "int8", IMAGES)
    assert quantized(float_file, "int8", IMAGES[::-1]) == forwards


def test_every_calibration_image_counts(float_file):
    bright_last = np.concatenate([IMAGES // 8, IMAGES[-1:]])
    dark = quantized(float_file, "int8", IMAGES // 8)
    assert quantized(float_file, "int8", bright_last) != dark


def test_float_operations_are_counted_by_name(float_file):
    assert float_operations(float_file) == ("CONV_2D (2)",)
    assert float_operations(quantized(float_file, "int8", IMAGES)) == ()


def test_float16_takes_half_of_the_bytes_and_computes_in_float(float_file):
    half = quantized(float_file, "float16")
    assert 0.5 < len(half) / len(float_file) < 0.6
    assert float_operations(half) == ("CONV_2D (2)",)


def test_dynamic_has_int8_weights_and_float_activations(float_file):
    dynamic = quantized(float_file, "dynamic")
    assert len(dynamic) < 0.3 * len(float_file)
    assert float_operations(dynamic) == ("CONV_2D (2)",)


@pytest.mark.parametrize(
    ("precision", "types"), [("int8", [np.float32] * 2), ("full_int8", [np.int8] * 2)]
)
def test_only_full_int8_takes_and_gives_integers(float_file, precision, types):
    interpreter = Interpreter(model_content=quantized(float_file, precision, IMAGES))
    ends = interpreter.get_input_details() + interpreter.get_output_details()
    assert [tensor["dtype"] for tensor in ends] == types


def test_full_int8_takes_pixels_without_loss(float_file):
    """A step of the input is a grey level, so that a device only subtracts 128."""
    bright = np.concatenate([IMAGES, np.full_like(IMAGES[:1], 255), 0 * IMAGES[:1]])
    interpreter = Interpreter(model_content=quantized(float_file, "full_int8", bright))
    scale, zero_point = interpreter.get_input_details()[0]["quantization"]
    assert scale == pytest.approx(1.0) and zero_point == -128
