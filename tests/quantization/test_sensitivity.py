"""Which tensor costs most."""

import keras
import numpy as np
import pytest

from export.tiny_models import blotchy_images
from quantization.networks import scaled_channels, two_convolutions
from segshrink.quantization import FakeQuantizedModel, observed_ranges
from segshrink.quantization.sensitivity import by_sensitivity

IMAGES = blotchy_images(6)


@pytest.fixture(scope="module")
def twin():
    keras.utils.set_random_seed(0)
    model = scaled_channels(two_convolutions(), 300.0)
    return FakeQuantizedModel(model, observed_ranges(model, IMAGES))


def test_uneven_channels_and_the_kernel_that_reads_them_come_first(twin):
    seen = []
    ranked = by_sensitivity(twin, IMAGES, on_value=lambda: seen.append(1))
    assert {value.path for value, _ in ranked[:2]} == {"relu", "second_relu"}
    errors = [error for _, error in ranked]
    assert errors == sorted(errors, reverse=True) and errors[1] > 10 * errors[2]
    assert {value.path for value, _ in ranked} == {
        "rescaling", "relu", "second_relu", "logits"
    }  # fmt: skip
    assert len(seen) == len(ranked)


def test_errors_are_those_of_rounding_the_tensor_and_its_kernel_alone(twin):
    found = {value.path: error for value, error in by_sensitivity(twin, IMAGES)}
    floats = IMAGES.astype(np.float32)
    every = {value.path for value in twin.values}
    twin.all_in_float()
    expected = twin.model.predict(floats, verbose=0)
    # All but the last tensor and its kernel are in float.
    twin.keep_in_float(every - {"logits"})
    kernel = twin.model.get_layer("int8_logits")
    rounding = twin.model.get_layer("rounded_logits")
    assert float(kernel.active) == float(rounding.active) == 1
    twin.model.get_layer("rounded_second_relu").active.assign(0.0)
    logits = twin.model.predict(floats, verbose=0)
    error = np.square(logits - expected).mean()
    assert found["logits"] == pytest.approx(error, rel=1e-3)


def test_everything_is_rounded_afterwards(twin):
    by_sensitivity(twin, IMAGES[:1])
    assert all(float(x.active) == 1 for x in twin.model.layers if hasattr(x, "active"))
