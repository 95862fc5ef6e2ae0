"""Costs of a plan, against those counted on the smaller model."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from segshrink.measuring import count_macs
from segshrink.pruning import MacsBudget, plan_pruning
from segshrink.pruning.cost import Blocks, Costs
from segshrink.pruning.graph import trace


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


@pytest.fixture(scope="module")
def two_branches():
    """Costs of two branches that are concatenated; a depthwise kernel reads both."""
    image = keras.Input((8, 8, 3))
    left = layers.Conv2D(48, 3, padding="same", name="left")(image)
    right = layers.Conv2D(32, 1, name="right")(image)
    x = layers.Concatenate(name="both")([left, right])
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    graph = trace(keras.Model(image, layers.Conv2D(6, 1, name="logits")(x)))
    groups = graph.groups()
    assert [group.layers[0] for group in groups] == ["left", "right"]
    return Costs(graph, groups, [np.arange(len(group.units)) for group in groups])


@given(
    left=st.integers(1, 48),
    right=st.integers(1, 32),
    outputs=st.sampled_from([1, 8, 16, 32]),
    inputs=st.sampled_from([1, 8, 16]),
    values=st.sampled_from([1, 8, 16]),
    narrow=st.sampled_from([0, 4, 8]),
)
def test_costs_in_blocks_are_those_counted_by_hand(
    two_branches, left, right, outputs, inputs, values, narrow
):
    narrow = narrow if narrow < outputs else 0

    def up(count, block):
        return -(-count // block) * block

    def made(count):
        return narrow if narrow and count <= narrow else up(count, outputs)

    def read(count):
        return count if count <= inputs else up(count, inputs)

    both, depth = left + right, up(left + right, narrow or outputs)
    blocks = Blocks(outputs=outputs, inputs=inputs, values=values, narrow=narrow)
    found = two_branches.in_blocks(blocks).totals(np.array([left, right]))
    # Of the image and of the logits no channel leaves, but blocks hold them, too.
    assert found["macs"] == 64 * read(3) * (9 * made(left) + made(right)) + 16 * read(
        both
    ) * made(6)
    assert found["depthwise_macs"] == 64 * 9 * depth
    assert found["written"] == 64 * (made(left) + made(right) + made(both)) + 16 * made(
        6
    )
    # The concatenation and the pooling remain; norm and activation are folded.
    moved = 64 * (up(left, values) + up(right, values) + up(both, values))
    assert found["values"] == moved + (64 + 16) * up(both, values)
    whole = two_branches.in_blocks(blocks)
    counts = whole.counts(np.array([left, right]))
    for group, most in ((0, 48), (1, 32)):
        moved = (int((left, right)[group]), most)
        kept = np.array([left, right])
        kept[group] = most
        rise = whole.rise(counts, group, moved).sum()
        after, before = (
            whole.terms(whole.counts(k)).sum() for k in (kept, [left, right])
        )
        assert rise == pytest.approx(after - before, abs=1e-6)
