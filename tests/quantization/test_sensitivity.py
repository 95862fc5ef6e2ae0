"""Ranking of tensors by their sensitivity."""

import keras
import numpy as np
import pytest

from export.tiny_models import blotchy_images
from quantization.networks import scaled_channels, two_convolutions
from segshrink.quantization import FakeQuantizedModel, observed_ranges
from segshrink.quantization.sensitivity import rank_by_sensitivity

IMAGES = blotchy_images(6)


@pytest.fixture(scope="module")
def quantized():
    keras.utils.set_random_seed(0)
    model = scaled_channels(two_convolutions(), 300.0)
    return FakeQuantizedModel(model, observed_ranges(model, IMAGES))


def test_uneven_channels_and_the_kernel_that_reads_them_come_first(quantized):
    seen = []
    ranked = rank_by_sensitivity(quantized, IMAGES, on_value=lambda: seen.append(1))
    assert {value.path for value, _ in ranked[:2]} == {"relu", "second_relu"}
    errors = [error for _, error in ranked]
    assert errors == sorted(errors, reverse=True) and errors[1] > 10 * errors[2]
    assert {value.path for value, _ in ranked} == {
        "rescaling", "relu", "second_relu", "logits"
    }  # fmt: skip
    assert len(seen) == len(ranked)


def test_errors_are_those_of_quantizing_one_tensor_and_its_kernel(quantized):
    found = {
        value.path: error for value, error in rank_by_sensitivity(quantized, IMAGES)
    }
    floats = IMAGES.astype(np.float32)
    every = {value.path for value in quantized.values}
    quantized.all_in_float()
    expected = quantized.model.predict(floats, verbose=0)
    # All but the last tensor and its kernel are in float.
    quantized.keep_in_float(every - {"logits"})
    kernel = quantized.model.get_layer("int8_logits")
    rounding = quantized.model.get_layer("quantized_logits")
    assert float(kernel.active) == float(rounding.active) == 1
    quantized.model.get_layer("quantized_second_relu").active.assign(0.0)
    logits = quantized.model.predict(floats, verbose=0)
    error = np.square(logits - expected).mean()
    assert found["logits"] == pytest.approx(error, rel=1e-3)


def test_everything_is_quantized_afterwards(quantized):
    rank_by_sensitivity(quantized, IMAGES[:1])
    assert all(
        float(x.active) == 1 for x in quantized.model.layers if hasattr(x, "active")
    )
