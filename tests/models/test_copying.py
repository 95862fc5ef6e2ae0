"""Copies of models."""

import keras
import numpy as np
import pytest

from segshrink.errors import ModelError
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


def chain(*body):
    return keras.Sequential([keras.Input((8, 8, 3)), *body], name="chain")


def test_an_adapted_normalization_keeps_its_statistics():
    normalize = keras.layers.Normalization()
    normalize.adapt(np.random.default_rng(0).normal(5, 3, (100, 3)))
    model, images = chain(normalize), np.ones((1, 8, 8, 3), np.float32)
    expected = model.predict_on_batch(images)
    np.testing.assert_array_equal(copy_model(model).predict_on_batch(images), expected)


def test_functions_of_the_model_are_copied():
    model, images = (
        chain(keras.layers.Lambda(lambda x: x + 1)),
        np.ones((1, 8, 8, 3), np.float32),
    )
    found = copy_model(model).predict_on_batch(images)
    np.testing.assert_array_equal(found, images + 1)


def test_a_layer_that_keras_cannot_rebuild_is_refused():
    class NeedsMore(keras.Layer):
        def __init__(self, more, **kwargs):
            super().__init__(**kwargs)
            self.more = more

        def call(self, inputs):
            return inputs

        def get_config(self):
            return {"name": self.name}

    with pytest.raises(ModelError, match="chain: the model cannot be rebuilt"):
        copy_model(chain(keras.layers.Conv2D(2, 1), NeedsMore(1)))
