"""Statistics against NumPy, layer by layer."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.errors import ModelError, UsageError
from segshrink.pruning.recovery import reestimate_batch_norm

from ..networks import chain, images, weights, with_random_weights


def test_statistics_are_those_of_the_images():
    model = chain(
        layers.Conv2D(4, 1, use_bias=False, name="a"),
        layers.BatchNormalization(name="first"),
        layers.ReLU(),
        layers.Conv2D(5, 1, name="b"),
        layers.BatchNormalization(name="second"),
    )
    tiles = images(model, 10)
    found = reestimate_batch_norm(model, tiles, batch_size=4)
    x = tiles.astype("float64")
    for conv, norm in (("a", "first"), ("b", "second")):
        kernel, *bias = (
            keras.ops.convert_to_numpy(w) for w in model.get_layer(conv).weights
        )
        x = x @ kernel[0, 0] + sum(bias)
        gamma, beta, mean, variance = (
            keras.ops.convert_to_numpy(w) for w in found.get_layer(norm).weights
        )
        np.testing.assert_allclose(mean, x.mean((0, 1, 2)), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(variance, x.var((0, 1, 2)), rtol=1e-4)
        x = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-3) * gamma + beta
        x = np.maximum(x, 0)
    same = model.get_layer("first").moving_mean
    assert np.abs(keras.ops.convert_to_numpy(same) - mean[:4]).max() > 0


def test_only_statistics_change_and_only_in_the_copy():
    model = chain(layers.Conv2D(4, 1), layers.BatchNormalization(name="norm"))
    before = weights(model)
    found = reestimate_batch_norm(model, images(model))
    for old, new in zip(before, weights(model), strict=True):
        np.testing.assert_array_equal(old, new)
    changed = [
        weight.path.split("/")[-1]
        for weight, old in zip(found.weights, before, strict=True)
        if not np.array_equal(keras.ops.convert_to_numpy(weight), old)
    ]
    assert changed == ["moving_mean", "moving_variance"]


def test_nested_layers_are_reached_and_repeated_ones_are_left():
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.BatchNormalization(name="inside")], name="inner"
    )
    repeated = layers.BatchNormalization(name="repeated")
    image = keras.Input((8, 8, 3))
    model = with_random_weights(keras.Model(image, repeated(repeated(inner(image)))))
    tiles = images(model, 6)
    found = reestimate_batch_norm(model, tiles)
    inside = found.get_layer("inner").get_layer("inside")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(inside.moving_mean), tiles.mean((0, 1, 2)), atol=1e-5
    )
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(inside.moving_variance),
        tiles.var((0, 1, 2)),
        rtol=1e-4,
    )
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(found.get_layer("repeated").moving_mean),
        keras.ops.convert_to_numpy(repeated.moving_mean),
    )


def test_what_cannot_be_done_is_refused():
    model = chain(layers.BatchNormalization())
    tiles = images(model)
    with pytest.raises(UsageError, match="Cut them to size"):
        reestimate_batch_norm(model, tiles[:, :4])
    with pytest.raises(UsageError, match="must be at least one, got none"):
        reestimate_batch_norm(model, tiles[:0])
    with pytest.raises(ModelError, match="has none"):
        reestimate_batch_norm(chain(layers.Conv2D(2, 1)), tiles)
