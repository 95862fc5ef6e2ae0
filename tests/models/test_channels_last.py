"""Models of images with their bands first."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.models import head_note, with_logits
from segshrink.models.channels_last import takes_channels_first, with_channels_last

FIRST = {"data_format": "channels_first"}


def network(shape, ending=None):
    images = keras.Input(shape)
    x = layers.Conv2D(4, 3, padding="same", **FIRST)(images)
    logits = layers.Conv2D(5, 1, name="logits", **FIRST)(x)
    return keras.Model(images, logits if ending is None else ending(logits))


@pytest.mark.parametrize(
    ("shape", "is_first"),
    [
        ((3, 16, 24), True),
        ((3, None, None), True),
        ((16, 24, 3), False),
        ((None, None, 3), False),
        ((64, 80, 96), False),
        ((16, 3), False),
    ],
)
def test_the_shape_tells_where_bands_are(shape, is_first):
    images = keras.Input(shape)
    model = keras.Model(images, layers.Identity()(images))
    assert takes_channels_first(model) == is_first


@pytest.mark.parametrize("shape", [(3, 16, 24), (3, None, None)])
def test_images_and_logits_have_their_channels_last(shape):
    model = network(shape)
    found = with_channels_last(model)
    images = np.random.default_rng(0).normal(size=(2, 16, 24, 3)).astype("float32")
    expected = model.predict_on_batch(np.moveaxis(images, 3, 1))
    np.testing.assert_allclose(
        found.predict_on_batch(images), np.moveaxis(expected, 1, 3), atol=1e-5
    )


def test_a_softmax_over_the_first_axis_is_taken_off():
    model = network((3, 16, 24), layers.Softmax(axis=1))
    found = with_logits(model)
    images = np.random.default_rng(0).normal(size=(2, 16, 24, 3)).astype("float32")
    logits = keras.Model(model.inputs, model.get_layer("logits").output)
    expected = logits.predict_on_batch(np.moveaxis(images, 3, 1))
    np.testing.assert_allclose(
        found.predict_on_batch(images), np.moveaxis(expected, 1, 3), atol=1e-5
    )
    assert "come first, are put last; the softmax at its end" in head_note(found)


def test_a_softmax_over_columns_is_no_head():
    found = with_logits(network((3, 16, 24), layers.Softmax(axis=3)))
    assert "softmax" not in head_note(found)
