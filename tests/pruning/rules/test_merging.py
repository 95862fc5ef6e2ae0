"""Rules of layers that merge tensors."""

import keras
import numpy as np
import pytest
from keras import layers

from ..networks import with_random_weights
from .tracing import assert_exact, groups_of, reasons_of


def test_concatenation_in_space_ties_channels():
    image = keras.Input((4, 4, 3))
    left, right = (
        layers.Conv2D(8, 1, name="a")(image),
        layers.Conv2D(8, 1, name="b")(image),
    )
    x = layers.Concatenate(axis=2)([left, right])
    model = with_random_weights(keras.Model(image, layers.Conv2D(2, 1)(x)))
    assert groups_of(model) == {("a", "b"): 8}
    assert_exact(model)


def test_addition_across_concatenations_ties_segment_by_segment():
    image = keras.Input((4, 4, 3))
    a, b, c, d = (
        layers.Conv2D(filters, 1, name=name)(image)
        for name, filters in {"a": 8, "b": 4, "c": 6, "d": 6}.items()
    )
    x = layers.Add()([layers.Concatenate()([a, b]), layers.Concatenate()([c, d])])
    model = with_random_weights(keras.Model(image, layers.Conv2D(2, 1)(x)))
    assert groups_of(model) == {("a", "c"): 6, ("a", "d"): 2, ("b", "d"): 4}
    assert_exact(model)


def test_adding_the_image_freezes_what_it_is_added_to():
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(8, 1, name="free")(image)
    x = layers.Add()([image, layers.Conv2D(3, 1, name="residual")(x)])
    model = with_random_weights(keras.Model(image, layers.Conv2D(2, 1, name="o")(x)))
    assert reasons_of(model) == {"residual": "model input", "o": "model output"}
    assert_exact(model)


def test_an_attention_map_keeps_its_one_channel():
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(8, 1, name="x")(image)
    attention = layers.Conv2D(1, 1, name="map")(image)
    y = layers.Multiply(name="gate")([attention, x])
    model = with_random_weights(keras.Model(image, layers.Conv2D(2, 1, name="o")(y)))
    assert groups_of(model) == {("x",): 8}
    assert reasons_of(model)["map"] == (
        "gate (Multiply): one channel stands beside all channels"
    )
    assert_exact(model)


@pytest.mark.parametrize(
    "join",
    [
        lambda x, constant: keras.ops.concatenate([x, constant], axis=-1),
        lambda x, constant: keras.ops.concatenate([x, constant], axis=1),
        lambda x, constant: layers.Concatenate()([x, constant]),
        lambda x, constant: layers.Add()([x, constant]),
    ],
)
def test_a_constant_among_tensors_freezes(join):
    image = keras.Input((4, 4, 3), batch_size=2)
    x = layers.Conv2D(8, 1, name="first")(image)
    y = layers.Conv2D(6, 1, name="second")(join(x, np.ones((2, 4, 4, 8), "float32")))
    model = with_random_weights(keras.Model(image, layers.Conv2D(2, 1, name="o")(y)))
    assert "a constant stands among its inputs" in reasons_of(model)["first"]
    assert groups_of(model) == {("second",): 6}
    assert_exact(model)
