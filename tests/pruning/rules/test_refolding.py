"""Rules of layers that lay the same values out in another shape."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from segshrink.pruning import apply_channel_masks

from ..networks import chain
from .tracing import around, assert_exact, groups_of, reasons_of


def test_flatten_maps_every_value_to_its_channel():
    model = chain(layers.Conv2D(5, 3, name="first"), layers.Flatten(), layers.Dense(2))
    smaller = apply_channel_masks(model, {"first": [True, False, True, True, False]})
    kernel = model.layers[-1].kernel.numpy().reshape(6, 6, 5, 2)
    np.testing.assert_array_equal(
        smaller.layers[-1].kernel.numpy(), kernel[:, :, [0, 2, 3]].reshape(-1, 2)
    )


def test_reshape_that_lays_units_over_pixels_ties_them():
    model = chain(
        layers.Dense(64, name="units"),
        layers.Reshape((4, 4, 4)),
        layers.Conv2D(2, 1),
        shape=(6,),
    )
    assert groups_of(model) == {("units",): 4}
    assert assert_exact(model).get_layer("units").units == 32


def test_reshape_of_unknown_sizes_freezes_unless_channels_stay_last():
    to_pairs = layers.Reshape((-1, 16), name="pairs")
    frozen = reasons_of(
        chain(layers.Conv2D(8, 1, name="first"), to_pairs, shape=(None, None, 3))
    )
    assert frozen["first"] == "pairs (Reshape): it reshapes sizes that are not fixed"
    to_rows = [layers.Reshape((-1, 8)), layers.Dense(2)]
    model = chain(layers.Conv2D(8, 1, name="first"), *to_rows, shape=(None, None, 3))
    assert groups_of(model) == {("first",): 8}
    assert_exact(model)


def test_permute_moves_the_channel_axis():
    middle = [layers.Permute((3, 1, 2)), layers.Permute((2, 3, 1))]
    model = around(middle)
    assert groups_of(model) == {("first",): 8}
    assert_exact(model)
    mixing = chain(
        layers.Conv2D(8, 1, name="first"),
        layers.Permute((3, 1, 2)),
        layers.Dense(2, name="mixes"),
    )
    assert "mixes (Dense): it reads axis 3" in reasons_of(mixing)["first"]


def shuffled_last(x, by_operations):
    """`torch.nn.PixelShuffle(2)` of images with 12 channels last."""
    if by_operations:
        x = ops.transpose(ops.reshape(x, (-1, 8, 8, 3, 2, 2)), (0, 1, 4, 2, 5, 3))
        return ops.reshape(x, (-1, 16, 16, 3))
    x = layers.Permute((1, 4, 2, 5, 3))(layers.Reshape((8, 8, 3, 2, 2))(x))
    return layers.Reshape((16, 16, 3))(x)


@pytest.mark.parametrize("by_operations", [False, True])
def test_a_pixel_shuffle_in_the_order_of_pytorch_is_followed(by_operations):
    image = keras.Input((8, 8, 3))
    wide = layers.Conv2D(12, 3, padding="same", name="wide")(image)
    x = shuffled_last(wide, by_operations)
    model = keras.Model(image, layers.Conv2D(2, 1, name="last")(ops.relu(x)))
    assert groups_of(model) == {("wide",): 3}
    values = np.random.default_rng(0).normal(size=(1, 8, 8, 12)).astype("float32")
    expected = np.empty((1, 16, 16, 3), "float32")
    for row, column, channel in np.ndindex(16, 16, 3):
        place = 4 * channel + 2 * (row % 2) + column % 2
        expected[0, row, column, channel] = values[0, row // 2, column // 2, place]
    shuffle = ops.convert_to_numpy(shuffled_last(ops.array(values), by_operations))
    np.testing.assert_array_equal(shuffle, expected)
    assert assert_exact(model).get_layer("wide").filters == 8


def test_a_pixel_shuffle_of_channels_that_come_first_is_followed():
    first = {"data_format": "channels_first"}
    image = keras.Input((3, 8, 8))
    x = layers.Conv2D(12, 1, name="wide", **first)(image)
    x = layers.Permute((1, 4, 2, 5, 3))(layers.Reshape((3, 2, 2, 8, 8))(x))
    x = layers.Reshape((3, 16, 16))(x)
    model = keras.Model(image, layers.Conv2D(2, 1, **first)(x))
    assert groups_of(model) == {("wide",): 3}
    assert assert_exact(model).get_layer("wide").filters == 8
