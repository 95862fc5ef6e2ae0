"""Static quantization by itself."""

import keras
import numpy as np
import pytest

from export.tiny_models import blotchy_images
from segshrink.export.int8 import float_operations, quantize_static_int8
from segshrink.export.litert import litert_float32

IMAGES = blotchy_images(4, size_px=16)


@pytest.fixture(scope="module")
def float_file():
    keras.utils.set_random_seed(0)
    wide = keras.Sequential([keras.Input((16, 16, 3))])
    for _ in range(2):
        wide.add(keras.layers.Conv2D(64, 3, padding="same", activation="relu"))
    return litert_float32(wide, 16, 16)


def test_weights_take_a_quarter_of_the_bytes(float_file):
    assert len(quantize_static_int8(float_file, IMAGES)) < 0.3 * len(float_file)


def test_order_of_the_calibration_images_does_not_matter(float_file):
    forwards = quantize_static_int8(float_file, IMAGES)
    assert quantize_static_int8(float_file, IMAGES[::-1]) == forwards


def test_every_calibration_image_counts(float_file):
    bright_last = np.concatenate([IMAGES // 8, IMAGES[-1:]])
    dark = quantize_static_int8(float_file, IMAGES // 8)
    assert quantize_static_int8(float_file, bright_last) != dark


def test_float_operations_are_counted_by_name(float_file):
    assert float_operations(float_file) == ("CONV_2D (2)",)
    assert float_operations(quantize_static_int8(float_file, IMAGES)) == ()
