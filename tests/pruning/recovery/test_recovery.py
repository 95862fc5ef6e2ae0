"""What recovery restores, against originals and against plain NumPy."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.errors import ModelError, UsageError
from segshrink.pruning import plan_pruning
from segshrink.pruning.masks import apply_channel_masks
from segshrink.pruning.recovery import reconstruct, reestimate_batch_norm

from ..networks import chain, images, outputs, small_unet, weights


def first_half(group):
    return -np.arange(group.size)


def pruned(model, keep=0.5):
    plan = plan_pruning(model, keep=keep, multiple_of=1, criterion=first_half)
    return plan, plan.apply(model)


def error(model, original, inputs):
    return float(np.square(outputs(model, inputs) - outputs(original, inputs)).mean())


@pytest.mark.parametrize(
    "reader",
    [
        layers.Conv2D(4, 3, padding="same"),
        layers.Conv2D(4, 3, strides=2, padding="same"),
        layers.Conv2D(4, 3, strides=2, padding="valid"),
        layers.Conv2D(4, 3, dilation_rate=2, padding="same"),
        layers.Conv2D(4, 2, padding="same", activation="relu"),
        layers.Conv2DTranspose(4, 3, strides=2, padding="same"),
        layers.Conv2DTranspose(4, 2, strides=2),
        layers.Conv2DTranspose(4, 3, strides=2, padding="valid"),
        layers.Dense(4),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_channels_that_others_can_replace_are_replaced(reader):
    reader = type(reader).from_config(reader.get_config())
    first = layers.Conv2D(8, 3, padding="same", activation="relu", name="first")
    model = chain(first, reader)
    kernel, bias = (keras.ops.convert_to_numpy(w).copy() for w in first.weights)
    # The second half of the filters are multiples of the first half.
    kernel[..., 4:], bias[4:] = 1.5 * kernel[..., :4], 1.5 * bias[:4]
    first.set_weights([kernel, bias])
    plan, smaller = pruned(model)
    before = weights(smaller)
    tiles, unseen = images(model, 16), images(model, 4, seed=9)
    found = reconstruct(smaller, model, plan, tiles, ridge=1e-6)
    scale = float(np.square(outputs(model, unseen)).mean())
    assert error(found, model, unseen) < 1e-6 * scale
    assert error(smaller, model, unseen) > 1e-2 * scale
    for old, new in zip(before, weights(smaller), strict=True):
        np.testing.assert_array_equal(old, new)


def test_unseen_images_are_nearer_to_the_original():
    model = small_unet()
    plan, smaller = pruned(model)
    found = reconstruct(smaller, model, plan, images(model, 64))
    unseen = images(model, 16, seed=9)
    assert error(found, model, unseen) < 0.6 * error(smaller, model, unseen)
    assert found.count_params() == smaller.count_params()


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


def test_wrong_partners_and_images_are_refused():
    model = small_unet()
    plan, smaller = pruned(model)
    tiles = images(model)
    with pytest.raises(ModelError, match="by the plan, got"):
        reconstruct(model, model, plan, tiles)
    other = apply_channel_masks(model, {"up": np.arange(16) > 2})
    with pytest.raises(ModelError, match="must have shape"):
        reconstruct(smaller, other, plan, tiles)
    with pytest.raises(UsageError, match="must be at least one, got none"):
        reconstruct(smaller, model, plan, tiles[:0])
    with pytest.raises(UsageError, match="Cut them to size"):
        reestimate_batch_norm(smaller, tiles[:, :4])
    with pytest.raises(UsageError, match="ridge must be above 0"):
        reconstruct(smaller, model, plan, tiles, ridge=0)
    with pytest.raises(ModelError, match="has none"):
        reestimate_batch_norm(chain(layers.Conv2D(2, 1)), tiles)
