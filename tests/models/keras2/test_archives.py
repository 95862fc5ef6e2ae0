"""`.keras` archives of Keras 2, made by hand from the description of the format."""

import io
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from segshrink.errors import ModelError
from segshrink.models import load_model

from .files import BATCH_NORM, conv, functional, image, layer, randoms


def images():
    return np.random.default_rng(1).uniform(0, 255, (2, 8, 8, 3)).astype("float32")


def write_archive(path, config, weights):
    """Write a file; `weights` are arrays by the place of their layer."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for place, arrays in weights.items():
            for number, array in enumerate(arrays):
                file[f"{place}/vars/{number}"] = np.asarray(array, np.float32)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.15.0"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", buffer.getvalue())
    return path


def network():
    encoder = functional(
        [
            image(name="in"),
            conv("e/c", ["in"], 4),
            layer("BatchNormalization", "e/n", ["e/c"], **BATCH_NORM),
        ],
        name="encoder",
    )
    nested = layer("Functional", "encoder", ["images"])
    nested["config"] = encoder["config"]
    halves = layer("TFOpLambda", "tf.math.truediv", [("encoder", 1, 0)], {"y": 2.0},
                   function="math.truediv")  # fmt: skip
    return functional(
        [
            image(),
            nested,
            halves,
            conv("c1", ["tf.math.truediv"], 4),
            conv("c2", ["c1"], 2),
        ]
    )


SHAPES = {
    "{}/functional/{}/conv2d": [(3, 3, 3, 4), (4,)],
    "{}/functional/{}/batch_normalization": [(4,)] * 4,
    "{}/conv2d": [(3, 3, 4, 4), (4,)],
    "{}/conv2d_1": [(3, 3, 4, 2), (2,)],
}


def weights_in(container):
    return {
        place.format(container, container): randoms(*shapes, seed=seed)
        for seed, (place, shapes) in enumerate(SHAPES.items())
    }


@pytest.mark.parametrize("container", ["layers", "_layer_checkpoint_dependencies"])
def test_an_archive_gives_the_numbers_of_keras_3(tmp_path, container):
    weights = weights_in(container)
    path = write_archive(tmp_path / "m.keras", network(), weights)
    i = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="a")(i)
    x = layers.BatchNormalization(name="b")(x) / 2.0
    x = layers.Conv2D(4, 3, padding="same", name="c")(x)
    same = keras.Model(i, layers.Conv2D(2, 3, padding="same", name="d")(x))
    for name, values in zip("abcd", weights.values(), strict=True):
        same.get_layer(name).set_weights(values)
    expected = same.predict(images(), verbose=0)
    found = load_model(path).predict(images(), verbose=0)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_weights_that_are_lacking_are_named(tmp_path):
    weights = weights_in("layers")
    del weights["layers/conv2d_1"]
    path = write_archive(tmp_path / "m.keras", network(), weights)
    with pytest.raises(ModelError, match="layer 'c2' has 2 weights .* holds 0"):
        load_model(path)
