"""Models of any range of images as models of 0 to 255."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.errors import ModelError
from segshrink.formats import InputRange
from segshrink.models.input_range import scales_itself, with_input_range
from segshrink.runtimes.artifact import in_range

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def by_loop(pixels, of):
    """One pixel in the range, as the documents of the networks define it."""
    red, green, blue = (float(value) for value in pixels)
    if of == "0-1":
        return [red / 255, green / 255, blue / 255]
    if of == "-1-1":
        return [value / 127.5 - 1 for value in (red, green, blue)]
    if of == "imagenet":
        unit = (red / 255, green / 255, blue / 255)
        return [(x - m) / d for x, m, d in zip(unit, MEAN, DEVIATION, strict=True)]
    if of == "caffe":
        return [blue - 103.939, green - 116.779, red - 123.68]
    return [red, green, blue]


def network(first=None, bands=3):
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, bands))
    x = images if first is None else first(images)
    return keras.Model(images, layers.Conv2D(2, 3, padding="same", name="scores")(x))


@pytest.mark.parametrize("of", InputRange)
def test_pixels_of_a_range(of):
    expected = [[[by_loop(p, of) for p in row] for row in image] for image in IMAGES]
    np.testing.assert_allclose(in_range(IMAGES, of), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("of", InputRange)
def test_the_model_takes_0_to_255_then(of):
    model = network()
    changed = with_input_range(model, of)
    np.testing.assert_allclose(
        changed.predict_on_batch(IMAGES.astype(np.float32)),
        model.predict_on_batch(in_range(IMAGES, of)),
        rtol=1e-3,
        atol=1e-3,
    )


def test_other_bands_have_no_range_of_rgb():
    model = network(bands=5)
    images = np.zeros((1, 8, 8, 5), np.float32)
    with_input_range(model, "-1-1").predict_on_batch(images)
    with pytest.raises(ModelError, match="is for RGB images, but the model takes 5"):
        with_input_range(model, "imagenet")


def nested(x):
    inner = keras.Input((8, 8, 3))
    return keras.Model(inner, layers.Rescaling(1 / 255)(inner))(x)


@pytest.mark.parametrize(
    "first",
    [
        layers.Rescaling(1 / 255),
        layers.Normalization(mean=1.0, variance=2.0),
        lambda x: x / 127.5 - 1,
        lambda x: layers.Rescaling(1 / 255)(layers.RandomFlip()(x)),
        nested,
    ],
)
def test_what_scales_itself_is_seen(first):
    assert scales_itself(network(first))


def test_what_does_not_scale_itself_is_seen():
    assert not scales_itself(network())
    assert not scales_itself(network(layers.ZeroPadding2D(0)))
