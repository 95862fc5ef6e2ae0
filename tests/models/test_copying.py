"""Copies of models."""

import keras
import numpy as np

from segshrink.models import copy_model


def nested():
    inner = keras.Sequential(
        [keras.Input((8, 8, 2)), keras.layers.Conv2D(2, 1, name="inner")], name="block"
    )
    images = keras.Input((8, 8, 3))
    return keras.Model(images, inner(keras.layers.Conv2D(2, 1, name="outer")(images)))


def test_a_copy_computes_the_same_and_shares_nothing():
    model = nested()
    copy = copy_model(model)
    images = np.ones((1, 8, 8, 3), np.float32)
    expected = model.predict_on_batch(images)
    np.testing.assert_array_equal(copy.predict_on_batch(images), expected)
    for weight in copy.weights:
        weight.assign(weight * 0 + 1)
    np.testing.assert_array_equal(model.predict_on_batch(images), expected)


def test_layers_are_replaced_in_nested_models_too():
    def in_bfloat16(layer):
        return layer.__class__.from_config(layer.get_config() | {"dtype": "bfloat16"})

    model = nested()
    copy = copy_model(model, in_bfloat16)
    inner = copy.get_layer("block").get_layer("inner")
    assert inner.compute_dtype == "bfloat16"
    assert model.get_layer("block").get_layer("inner").compute_dtype == "float32"
