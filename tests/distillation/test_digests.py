"""Digests of models and images."""

import keras
import numpy as np
import pytest

from data.pictures import THREE_CLASSES, held, noise
from segshrink.data import Part
from segshrink.distillation.digests import images_digest, model_digest


def model(seed=0, activation=None, name=None):
    keras.utils.set_random_seed(seed)
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 1, activation=activation, name=name)(images)
    return keras.Model(images, x)


def test_names_and_frozen_layers_do_not_count():
    expected = model_digest(model())
    frozen = model(name="conv")
    frozen.trainable = False
    assert model_digest(model(name="other")) == model_digest(frozen) == expected


@pytest.mark.parametrize("change", [{"seed": 1}, {"activation": "relu"}])
def test_weights_and_configuration_count(change):
    assert model_digest(model(**change)) != model_digest(model())


def part(*seeds):
    labels = np.zeros((9, 9), np.uint8)
    images = [held(noise(9, 9, seed=seed), labels, name=f"{seed}") for seed in seeds]
    return Part("train", images, THREE_CLASSES)


def test_images_and_their_order_count():
    expected = images_digest(part(0, 1))
    assert images_digest(part(0, 1)) == expected
    for other in (part(1, 0), part(0), part(0, 2)):
        assert images_digest(other) != expected
