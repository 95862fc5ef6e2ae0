"""Peak memory of a process that runs a file."""

import keras
import numpy as np
import pytest

from segshrink.errors import UsageError
from segshrink.export import export_model
from segshrink.measuring import measure_memory


def model_of(channels):
    image = keras.Input((128, 128, 3))
    x = keras.layers.Conv2D(channels, 3, padding="same")(image)
    x = keras.layers.Conv2D(channels, 3, padding="same")(x)
    return keras.Model(image, keras.layers.Conv2D(2, 1)(x))


def test_a_model_takes_the_memory_of_its_feature_maps(tmp_path):
    small = measure_memory(export_model(model_of(8), tmp_path / "small.tflite"))
    large = measure_memory(export_model(model_of(256), tmp_path / "large.tflite"))
    # Two maps of 128 x 128 x 256 float32 are 32 MiB.
    difference = large.model_bytes - small.model_bytes
    assert 16 * 2**20 < difference < 96 * 2**20
    assert large.peak_bytes > large.model_bytes


def test_memory_of_this_process_does_not_count(tmp_path):
    path = export_model(model_of(8), tmp_path / "m.tflite")
    before = measure_memory(path).peak_bytes
    ballast = np.ones(2**27, np.uint8)
    after = measure_memory(path).peak_bytes
    assert ballast.all()
    assert abs(after - before) < 32 * 2**20


def test_a_file_that_cannot_be_opened_is_refused(tmp_path):
    path = tmp_path / "damaged.tflite"
    path.write_bytes(b"hello" * 100)
    with pytest.raises(UsageError, match="not a readable LiteRT file"):
        measure_memory(path)
