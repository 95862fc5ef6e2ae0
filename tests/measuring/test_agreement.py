"""Comparison of a file with the model that it was made from, and with another."""

import keras
import numpy as np
import pytest

from segshrink.errors import ExportError
from segshrink.export import export_model
from segshrink.measuring import check_export

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)


def random_model(seed):
    keras.utils.set_random_seed(seed)
    image = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    return keras.Model(image, keras.layers.Conv2D(4, 3, padding="same")(x))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return export_model(random_model(1), tmp_path_factory.mktemp("files") / "m.tflite")


def test_faithful_file_passes_with_its_numbers(path):
    comparison = check_export(random_model(1), path, IMAGES)
    assert comparison.agreement == 1
    assert comparison.max_logit_error < 1e-5


def test_file_of_another_model_is_refused_with_numbers(path):
    message = r"m.tflite: .* for 99.9% of the pixels, got \d+\.\d+% \(logits differ by"
    with pytest.raises(ExportError, match=message):
        check_export(random_model(2), path, IMAGES)


def test_quantized_file_may_differ(path):
    comparison = check_export(random_model(2), path, IMAGES, quantize="int8")
    logits = random_model(1)(IMAGES.astype(np.float32))
    other = random_model(2)(IMAGES.astype(np.float32))
    agreement = np.mean(np.argmax(logits, -1) == np.argmax(other, -1))
    assert comparison.agreement == pytest.approx(agreement, abs=0.005)
    assert comparison.max_logit_error == pytest.approx(
        np.abs(np.subtract(logits, other)).max(), abs=1e-4
    )
