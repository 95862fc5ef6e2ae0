"""Costs of a plan, against those counted on the smaller model."""

import keras
from keras import layers

from segshrink.measuring import count_macs
from segshrink.pruning import MacsBudget, plan_pruning


def test_macs_of_attention_fall_with_its_heads():
    image = keras.Input((4, 4, 8))
    x = layers.Reshape((16, 8))(image)
    y = layers.MultiHeadAttention(num_heads=8, key_dim=4, name="attention")(x, x)
    model = keras.Model(image, layers.Dense(2)(layers.Add()([x, y])))
    for plan in (
        plan_pruning(model, keep=0.5, multiple_of=1),
        plan_pruning(model, budget=MacsBudget(0.5), multiple_of=1),
    ):
        smaller = plan.apply(model)
        assert plan.macs_after == count_macs(smaller).macs < 0.55 * plan.macs_before
        assert smaller.get_layer("attention").get_config()["num_heads"] in (3, 4)


def test_macs_of_windows_are_those_of_the_smaller_model():
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 1, name="first")(image)
    x = keras.ops.reshape(x, (-1, 16, 8))
    x = layers.MultiHeadAttention(num_heads=4, key_dim=3, name="attention")(x, x)
    x = layers.Conv2D(2, 1)(keras.ops.reshape(x, (-1, 8, 8, 8)))
    model = keras.Model(image, x)
    plan = plan_pruning(model, keep=0.5, multiple_of=1)
    assert plan.macs_before == count_macs(model).macs
    assert plan.macs_after == count_macs(plan.apply(model)).macs < plan.macs_before
