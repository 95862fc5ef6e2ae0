"""Reconstruction against the original model."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.errors import ModelError, UsageError
from segshrink.pruning import plan_pruning
from segshrink.pruning.masks import apply_channel_masks
from segshrink.pruning.recovery import PositionSampling, reconstruct

from ..networks import (
    chain,
    images,
    outputs,
    small_unet,
    weights,
    with_random_weights,
)


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


def duplicated(layer):
    """Make the second half of a layer's filters twice the first half."""
    kernel, *bias = (keras.ops.convert_to_numpy(w).copy() for w in layer.weights)
    half = kernel.shape[-1] // 2
    for values in (kernel, *bias):
        values[..., half:] = 2 * values[..., :half]
    layer.set_weights([kernel, *bias])


def test_calibration_error_never_rises_when_every_position_counts():
    for seed in range(3):
        model = with_random_weights(
            chain(
                layers.Conv2D(8, 3, activation="relu"),
                layers.Conv2D(3, 3, name="logits"),
            ),
            seed,
        )
        plan, smaller = pruned(model)
        for count in (1, 4):
            tiles = images(model, count, seed=seed)
            found = reconstruct(smaller, model, plan, tiles)
            assert error(found, model, tiles) < 0.9 * error(smaller, model, tiles)


def test_sampled_positions_follow_the_seed():
    model = small_unet()
    plan, smaller = pruned(model)
    tiles = images(model, 8)
    first, again, other = (
        weights(
            reconstruct(
                smaller, model, plan, tiles, positions=PositionSampling(4, seed=seed)
            )
        )
        for seed in (1, 1, 2)
    )
    pairs = list(zip(first, again, other, strict=True))
    assert all(np.array_equal(one, two) for one, two, _ in pairs)
    assert any(not np.array_equal(one, three) for one, _, three in pairs)


def test_grouped_readers_are_solved_group_by_group():
    first = layers.Conv2D(8, 1, name="first")
    model = chain(first, layers.Conv2D(6, 3, groups=2, name="grouped"))
    kernel, bias = (keras.ops.convert_to_numpy(w).copy() for w in first.weights)
    for values in (kernel, bias):  # channels 2, 3 and 6, 7 repeat those before them
        values[..., 2:4], values[..., 6:8] = values[..., 0:2], values[..., 4:6]
    first.set_weights([kernel, bias])
    plan, smaller = pruned(model)
    assert smaller.get_layer("grouped").kernel.shape == (3, 3, 2, 6)
    tiles = images(model, 16)
    found = reconstruct(smaller, model, plan, tiles, ridge=1e-6)
    assert error(found, model, tiles) < 1e-6 * error(smaller, model, tiles)


def test_groups_that_leave_whole_need_no_new_weights():
    model = chain(
        layers.Conv2D(8, 1, activation="relu"),
        layers.Conv2D(8, 3, groups=8, name="depthwise"),
        layers.Conv2D(3, 1, name="logits"),
    )
    plan, smaller = pruned(model)
    found = reconstruct(smaller, model, plan, images(model, 8))
    for old, new in zip(
        smaller.get_layer("depthwise").weights,
        found.get_layer("depthwise").weights,
        strict=True,
    ):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(old), keras.ops.convert_to_numpy(new)
        )
    assert not np.allclose(
        keras.ops.convert_to_numpy(smaller.get_layer("logits").kernel),
        keras.ops.convert_to_numpy(found.get_layer("logits").kernel),
    )


def test_a_constant_that_left_goes_into_the_next_mean():
    """A removed channel that is always 1 can only be replaced by a constant."""
    first = layers.Conv2D(2, 1, name="first")
    model = chain(
        first,
        layers.Conv2D(3, 1, use_bias=False, name="second"),
        layers.BatchNormalization(name="norm"),
    )
    kernel, bias = (keras.ops.convert_to_numpy(w).copy() for w in first.weights)
    kernel[..., 1], bias[1] = 0, 1
    first.set_weights([kernel, bias])
    second = model.get_layer("second")
    lost = keras.ops.convert_to_numpy(second.kernel)[0, 0, 1]
    # Only the first layer may be cut: the plan keeps the channels of the output.
    plan = plan_pruning(model, keep=0.5, multiple_of=1, criterion=first_half)
    smaller = plan.apply(model)
    found = reconstruct(smaller, model, plan, images(model, 4))
    expected = keras.ops.convert_to_numpy(model.get_layer("norm").moving_mean) - lost
    mean = keras.ops.convert_to_numpy(found.get_layer("norm").moving_mean)
    np.testing.assert_allclose(mean, expected, atol=1e-4)
    tiles = images(model, seed=5)
    np.testing.assert_allclose(outputs(found, tiles), outputs(model, tiles), atol=1e-4)


def test_nested_readers_are_solved_and_repeated_ones_are_left():
    inner = keras.Sequential(
        [keras.Input((8, 8, 8)), layers.Conv2D(4, 1, name="reader")], name="inner"
    )
    repeated = layers.Conv2D(4, 1, name="repeated")
    image = keras.Input((8, 8, 3))
    first = layers.Conv2D(8, 3, activation="relu", padding="same", name="first")
    read = inner(first(image))
    x = layers.Concatenate()([repeated(read), repeated(read)])
    model = with_random_weights(
        keras.Model(image, layers.Conv2D(2, 1, name="logits")(x))
    )
    duplicated(first)
    plan = plan_pruning(
        model, keep=0.5, multiple_of=1, criterion=first_half, skip=["inner", "repeated"]
    )
    smaller = plan.apply(model)
    tiles = images(model, 8)
    found = reconstruct(smaller, model, plan, tiles, ridge=1e-6)
    assert error(found, model, tiles) < 1e-6 * error(smaller, model, tiles)

    cut = plan_pruning(model, keep=0.5, multiple_of=1, criterion=first_half)
    smaller = cut.apply(model)
    found = reconstruct(smaller, model, cut, tiles)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(smaller.get_layer("repeated").kernel),
        keras.ops.convert_to_numpy(found.get_layer("repeated").kernel),
    )


def test_progress_counts_the_readers():
    received = []

    class Recorder:
        def start(self, label, total):
            received.append(total)

        def advance(self, steps=1, **facts):
            received.append(steps)

        def finish(self):
            received.append("end")

    model = small_unet()
    plan, smaller = pruned(model)
    reconstruct(smaller, model, plan, images(model), progress=Recorder())
    # bottom, inner, up, top and logits read what was cut; down reads the image.
    assert received == [5, 1, 1, 1, 1, 1, "end"]


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
        reconstruct(smaller, model, plan, tiles[:, :4])
    with pytest.raises(UsageError, match="ridge must be above 0"):
        reconstruct(smaller, model, plan, tiles, ridge=0)
    with pytest.raises(UsageError, match="count must be at least 1, got 0"):
        PositionSampling(0)


def test_nothing_goes_into_a_mean_behind_an_activation():
    """The constant that the layer lacks is lacking before its activation."""
    first = layers.Conv2D(2, 1, name="first")
    model = chain(
        first,
        layers.Conv2D(3, 1, use_bias=False, activation="relu", name="second"),
        layers.BatchNormalization(name="norm"),
    )
    kernel, bias = (keras.ops.convert_to_numpy(w).copy() for w in first.weights)
    kernel[..., 1], bias[1] = 0, 1
    first.set_weights([kernel, bias])
    plan = plan_pruning(model, keep=0.5, multiple_of=1, criterion=first_half)
    found = reconstruct(plan.apply(model), model, plan, images(model, 4))
    for one, other in zip(
        found.get_layer("norm").get_weights(),
        model.get_layer("norm").get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
