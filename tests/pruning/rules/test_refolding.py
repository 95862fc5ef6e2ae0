"""Rules of layers that lay the same values out in another shape."""

import numpy as np
from keras import layers

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
