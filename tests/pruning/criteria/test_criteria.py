"""Every criterion against a calculation by hand on a small U-Net."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.errors import UsageError
from segshrink.pruning import CRITERIA, plan_pruning
from segshrink.pruning.criteria import Random
from segshrink.pruning.graph import trace
from segshrink.pruning.importance import group_weights, importance

from ..networks import chain, set_weights, small_unet


@pytest.fixture(scope="module")
def unet():
    return small_unet()


def scores(model, criterion, number):
    graph = trace(model)
    group = graph.groups()[number]
    return group.layers, importance(criterion, group_weights(graph, group))


def value(layer, name):
    return keras.ops.convert_to_numpy(getattr(layer, name)).astype("float64")


def scale(norm):
    return np.abs(value(norm, "gamma")) / np.sqrt(
        value(norm, "moving_variance") + norm.epsilon
    )


# Criteria that look at data are tested in test_data_statistics.py.
BY_WEIGHTS = [n for n in CRITERIA if n not in ("mean_activation", "taylor", "fisher")]


@pytest.mark.parametrize("name", BY_WEIGHTS)
def test_scores_are_finite_and_plans_are_made(unet, name):
    plan_scores = scores(unet, CRITERIA[name], 0)[1]
    assert plan_scores.shape == (16,) and (plan_scores >= 0).all()
    skip = ["up"] if name == "slimming" else []
    plan = plan_pruning(unet, keep=0.5, criterion=name, skip=skip)
    assert plan.parameters_after < plan.parameters_before


@pytest.mark.parametrize("name", ["l1", "l2", "group_norm", "slimming"])
def test_a_dead_unit_has_the_lowest_score(name):
    model = small_unet()
    for weight in model.get_layer("top_conv").weights:
        values = keras.ops.convert_to_numpy(weight).copy()
        values[..., 5] = 0
        weight.assign(values)
    for weight in model.get_layer("top_norm").weights[:2]:
        values = keras.ops.convert_to_numpy(weight).copy()
        values[5] = 0
        weight.assign(values)
    kernel = keras.ops.convert_to_numpy(model.get_layer("logits").kernel).copy()
    kernel[:, :, 5] = 0
    model.get_layer("logits").kernel.assign(kernel)
    found = scores(model, CRITERIA[name], 3)[1]
    assert found[5] == 0 and (np.delete(found, 5) > 0).all()


def test_l1_by_hand(unet):
    names, found = scores(unet, CRITERIA["l1"], 1)
    assert names == ("bottom_conv", "inner_conv")
    expected = 0
    for name in ("bottom", "inner"):
        kernel = np.abs(value(unet.get_layer(f"{name}_conv"), "kernel"))
        expected += kernel.sum((0, 1, 2)) * scale(unet.get_layer(f"{name}_norm"))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_group_norm_by_hand(unet):
    names, found = scores(unet, CRITERIA["group_norm"], 0)
    assert names == ("down_conv",)
    norm = unet.get_layer("down_norm")
    squares = (value(unet.get_layer("down_conv"), "kernel") ** 2).sum((0, 1, 2))
    squares += value(norm, "gamma") ** 2 + value(norm, "beta") ** 2
    # It is read by the bottom, and behind 16 other channels by the top.
    bottom = value(unet.get_layer("bottom_conv"), "kernel")
    top = value(unet.get_layer("top_conv"), "kernel")
    squares += (bottom**2).sum((0, 1, 3)) + (top[:, :, 16:] ** 2).sum((0, 1, 3))
    np.testing.assert_allclose(found, np.sqrt(squares), rtol=1e-6)


def test_slimming_by_hand_and_where_nothing_scales(unet):
    found = scores(unet, CRITERIA["slimming"], 1)[1]
    gammas = [value(unet.get_layer(f"{n}_norm"), "gamma") for n in ("bottom", "inner")]
    np.testing.assert_allclose(found, np.abs(gammas).sum(0), rtol=1e-6)
    message = "slimming needs a normalization with a scale behind up. Name these layers"
    with pytest.raises(UsageError, match=message):
        plan_pruning(unet, keep=0.5, criterion="slimming")


def test_geometric_median_by_hand():
    model = chain(
        layers.Conv2D(3, 1, use_bias=False, name="first"), layers.Conv2D(2, 1)
    )
    kernel = np.array([[0, 3, 0], [0, 4, 0], [0, 0, 1]])
    set_weights(model.get_layer("first"), kernel.reshape(1, 1, 3, 3))
    found = scores(model, CRITERIA["geometric_median"], 0)[1]
    np.testing.assert_allclose(found, [5 + 1, 5 + 26**0.5, 1 + 26**0.5])


def test_random_repeats_by_seed_and_differs_between_groups(unet):
    first = scores(unet, Random(1), 0)[1]
    np.testing.assert_array_equal(first, scores(unet, Random(1), 0)[1])
    assert (first != scores(unet, Random(2), 0)[1]).all()
    assert (first != scores(unet, Random(1), 2)[1]).all()
