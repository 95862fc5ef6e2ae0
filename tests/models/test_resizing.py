"""Models for images of another size."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.models.resizing import resized


def network(shape):
    """A nested encoder that is called twice, and layers whose output has a size."""
    inner = keras.Input(shape)
    encoder = keras.Model(
        inner, layers.Conv2D(3, 3, strides=2, padding="same")(inner), name="encoder"
    )
    images = keras.Input(shape)
    twice = layers.UpSampling2D(2)(encoder(images)), encoder(images)
    x = layers.Concatenate()([twice[0], layers.UpSampling2D(2)(twice[1])])
    return keras.Model(images, layers.Conv2D(2, 1, name="logits")(x))


@pytest.mark.parametrize("shape", [(32, 32, 3), (None, None, 3)])
@pytest.mark.parametrize("wanted", [(16, 48, 3), (None, None, 3)])
def test_it_computes_the_same_for_the_other_size(shape, wanted):
    keras.utils.set_random_seed(0)
    model = network(shape)
    model.get_layer("encoder").trainable = False
    copy = resized(model, wanted)
    assert copy.input_shape == (None, *wanted)
    assert copy.get_layer("encoder").input_shape == (None, *wanted)
    assert not copy.get_layer("encoder").trainable
    assert copy.get_layer("logits").trainable
    images = np.random.default_rng(0).normal(size=(2, 16, 48, 3)).astype(np.float32)
    free = network((None, None, 3))
    free.set_weights(model.get_weights())
    np.testing.assert_allclose(
        copy.predict_on_batch(images), free.predict_on_batch(images), atol=1e-6
    )


def test_sequential_models_are_resized_too():
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3, name="a")])
    copy = resized(model, (12, 6, 3))
    assert copy.output_shape == (None, 10, 4, 2)
    np.testing.assert_array_equal(copy.get_weights()[0], model.get_weights()[0])


def test_what_has_its_size_built_in_cannot_follow():
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, layers.Reshape((64, 3))(images))
    with pytest.raises(ValueError):
        resized(model, (12, 8, 3))
