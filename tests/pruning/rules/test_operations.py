"""Rules of raw operations."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.errors import UsageError
from segshrink.pruning import apply_channel_masks, plan_pruning
from segshrink.pruning.graph import trace

from ..networks import (
    images,
    outputs,
    relative_difference,
    set_weights,
    with_random_weights,
)
from .tracing import assert_exact, groups_of, reasons_of


def operations_model():
    """Raw operations: arithmetic, split, slices, concatenation, mean over space."""
    ops = keras.ops
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(16, 3, padding="same", name="first")(image)
    left, right = ops.split(x, 2, axis=-1)
    head, tail = ops.split(x, [4], axis=-1)
    x = ops.relu(left * 0.5 + right) / 2.0
    gate = ops.mean(x, axis=(1, 2), keepdims=True)
    x = ops.concatenate([x * ops.sigmoid(gate), head, tail[..., 2:9]], axis=-1)
    x = ops.transpose(ops.reshape(x, (-1, 64, 19)), (0, 2, 1))
    x = layers.Dense(6, name="mix")(ops.transpose(x, (0, 2, 1)))
    return with_random_weights(keras.Model(image, layers.Dense(2, name="o")(x)))


def test_channels_pass_through_raw_operations():
    model = operations_model()
    # Two halves are added, which leaves 8 units; slices consume 4 and 7 of them.
    sizes = [(group.layers[0], len(group.units)) for group in trace(model).groups()]
    assert sorted(sizes) == [("first", 1), ("first", 3), ("first", 4), ("mix", 6)]
    smaller = assert_exact(model)
    assert smaller.output_shape == model.output_shape


def sliced_model():
    """One layer consumes four weak filters, and another one the other twelve."""
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(16, 3, name="first")(image)
    few = layers.Conv2D(4, 3, name="few")(x[..., :4])
    many = layers.Conv2D(4, 3, name="many")(x[..., 4:])
    x = layers.Concatenate()([few, many])
    model = with_random_weights(keras.Model(image, layers.Conv2D(2, 1, name="o")(x)))
    kernel, bias = model.get_layer("first").get_weights()
    kernel[..., :4] *= 0.01
    set_weights(model.get_layer("first"), kernel, bias)
    return model


@pytest.mark.parametrize("criterion", ["l1", "l2", "group_norm"])
@pytest.mark.parametrize("scope", ["layer", "global"])
def test_something_stays_of_every_slice(criterion, scope):
    model = sliced_model()
    plan = plan_pruning(
        model, keep=0.3, criterion=criterion, scope=scope, multiple_of=1
    )
    smaller, inputs = plan.apply(model), images(model)
    assert smaller.get_layer("few").kernel.shape[2] >= 1
    expected = outputs(plan.zero(model), inputs)
    assert relative_difference(outputs(smaller, inputs), expected) < 1e-4


def test_a_mask_that_empties_a_slice_is_refused():
    with pytest.raises(UsageError, match="leave nothing for layer 'few' to read"):
        apply_channel_masks(sliced_model(), {"first": np.arange(16) >= 4})


def test_moveaxis_moves_the_channel_axis():
    image = keras.Input((4, 6, 3))
    x = layers.Conv2D(8, 1, name="first")(image)
    x = keras.ops.moveaxis(keras.ops.moveaxis(x, -1, 1), (1, 2), (3, 1))
    model = with_random_weights(keras.Model(image, layers.Dense(2, name="o")(x)))
    assert groups_of(model) == {("first",): 8}
    assert_exact(model)


def test_a_constant_for_each_channel_freezes():
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(4, 1, name="first")(image) * np.arange(4.0, dtype="float32")
    model = keras.Model(image, layers.Conv2D(2, 1)(x))
    assert "a constant holds a value for each channel" in reasons_of(model)["first"]


def test_a_mean_over_channels_freezes():
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(4, 1, name="first")(image)
    x = x * keras.ops.mean(x, axis=-1, keepdims=True)
    model = keras.Model(image, layers.Conv2D(2, 1)(x))
    assert "it reads all channels at once" in reasons_of(model)["first"]


def attention_by_hand(heads=2, size=4):
    """Attention spelled by reshapes and products, as many models have it."""
    ops, width = keras.ops, heads * size
    image = keras.Input((4, 4, 3))
    x = layers.Dense(8, name="first")(ops.reshape(image, (-1, 16, 3)))
    query, key, value = (
        ops.transpose(
            ops.reshape(layers.Dense(width, name=name)(x), (-1, 16, heads, size)),
            (0, 2, 1, 3),
        )
        for name in ("query", "key", "value")
    )
    scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) * size**-0.5
    x = ops.matmul(layers.Dropout(0.1)(ops.softmax(scores, axis=-1)), value)
    x = ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, 16, width))
    return with_random_weights(keras.Model(image, layers.Dense(2, name="o")(x)))


def test_products_of_tensors_keep_scores_and_pass_values_on():
    model = attention_by_hand()
    # The same entries leave from both heads, which are laid out side by side.
    assert groups_of(model) == {("first",): 8, ("key", "query"): 4, ("value",): 4}
    smaller = assert_exact(model)
    assert smaller.get_layer("query").units == smaller.get_layer("value").units == 4


def test_a_product_that_sums_over_positions_of_two_layers_is_not_followed():
    image = keras.Input((4, 3))
    x, y = (layers.Dense(8, name=name)(image) for name in "xy")
    x = keras.ops.matmul(keras.ops.transpose(x, (0, 2, 1)), y)
    model = with_random_weights(keras.Model(image, layers.Dense(2, name="o")(x)))
    assert "several axes of channels" in reasons_of(model)["x"]


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: x**2,
        lambda x: keras.ops.power(keras.ops.relu(x) + 1.0, 0.5),
        lambda x: keras.ops.where(x > 0.0, x, 0.1 * x),
        lambda x: keras.ops.tile(x, (1, 2, 1, 1)),
        lambda x: keras.ops.tile(x, 3),
    ],
    ids=["square", "root", "where", "tile rows", "tile channels"],
)
def test_channels_pass_through(operation):
    image = keras.Input((8, 8, 3))
    x = operation(layers.Conv2D(8, 3, name="first")(image))
    model = with_random_weights(keras.Model(image, layers.Conv2D(2, 1, name="o")(x)))
    assert groups_of(model) == {("first",): 8}
    assert assert_exact(model).get_layer("first").filters == 4


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (lambda x: keras.ops.abs(x) ** -1, "not a positive number"),
        (lambda x: 2.0**x, "power of a tensor"),
        (lambda x: keras.ops.tile(x, (1, 1, 1, 1, 2)), "adds axes"),
    ],
)
def test_channels_that_would_change_others_stay(operation, reason):
    image = keras.Input((8, 8, 3))
    x = operation(layers.Conv2D(8, 3, name="first")(image))
    model = keras.Model(image, keras.ops.mean(x, axis=-1))
    assert reason in reasons_of(model)["first"]
