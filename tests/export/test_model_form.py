"""Models as files need them."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.export import export_model, in_float32
from segshrink.export.model_form import without_augmentation
from segshrink.runtimes import load_artifact

IMAGES = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3)).astype(np.uint8)


def network(first=None, dtype=None):
    keras.utils.set_random_seed(0)
    images = keras.Input((16, 16, 3))
    x = images if first is None else first(images)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", dtype=dtype)(x)
    return keras.Model(images, layers.Conv2D(2, 1, dtype=dtype)(x))


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_a_nested_model_of_mixed_precision_computes_in_float32(dtype, tmp_path):
    images = keras.Input((16, 16, 3))
    inner = network(dtype=dtype)
    model = keras.Model(images, inner(layers.Rescaling(1 / 255)(images)))
    exact = in_float32(model)
    kinds = {layer.compute_dtype for layer in exact._flatten_layers()}
    assert kinds == {"float32"}
    export_model(model, tmp_path / "m.tflite")
    np.testing.assert_allclose(
        load_artifact(tmp_path / "m.tflite").predict(IMAGES),
        exact.predict_on_batch(IMAGES.astype(np.float32)),
        atol=1e-4,
    )


def augmented(images):
    x = layers.RandomFlip()(images)
    x = layers.RandomContrast(0.9)(layers.RandomRotation(0.3)(x))
    return layers.GaussianNoise(0.5)(layers.RandomZoom(0.5)(x))


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_augmentation_is_no_part_of_a_file(tmp_path, suffix):
    model = network(augmented)
    path = tmp_path / f"m{suffix}"
    export_model(model, path, format="litert" if suffix == ".tflite" else "onnx")
    np.testing.assert_allclose(
        load_artifact(path).predict(IMAGES),
        model.predict_on_batch(IMAGES.astype(np.float32)),
        rtol=1e-4,
        atol=1e-3,
    )


def test_what_needs_no_change_stays_the_same_model():
    model = network()
    assert without_augmentation(model) is model
    assert in_float32(model) is model
