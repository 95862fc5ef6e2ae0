"""Checks that every criterion and every scope must pass."""

from typing import get_args

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.progress import SilentProgress
from segshrink.pruning import CRITERIA, plan_pruning
from segshrink.pruning.data_statistics import DataStatistics
from segshrink.pruning.graph import trace
from segshrink.pruning.importance import group_weights, importance
from segshrink.pruning.selection import SCOPES
from segshrink.recipe import LOOK_AT_DATA, PruningSettings


def residual_model():
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="stem")(image)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    y = layers.SeparableConv2D(16, 3, padding="same", name="separable")(x)
    x = layers.Add()([x, layers.BatchNormalization()(y)])
    x = layers.Conv2DTranspose(24, 2, strides=2, activation="relu", name="up")(x)
    model = keras.Model(image, layers.Conv2D(4, 1, name="logits")(x))
    generator = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(generator.uniform(0.5, 1.5, weight.shape))
    return model


def data_for(name):
    """Images and labels for criteria that look at data; None for the others."""
    if name not in LOOK_AT_DATA:
        return None
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 1, (2, 8, 8, 3)).astype(np.float32)
    labels = generator.integers(0, 4, (2, 16, 16))
    labels[:, :4] = 255
    return images, labels


def scores_by_group(model, name):
    graph = trace(model)
    data = data_for(name)
    statistics = None
    if data is not None:
        statistics = DataStatistics(
            model, graph, data, loss=None, progress=SilentProgress()
        )
    criterion = CRITERIA[name]
    return {
        group.layers: importance(criterion, group_weights(graph, group, statistics))
        for group in graph.groups()
    }


# Slimming refuses groups without a normalization; test_criteria.py tests it.
EVERYWHERE = [name for name in CRITERIA if name != "slimming"]


def test_a_recipe_may_name_every_criterion():
    names = get_args(PruningSettings.model_fields["criterion"].annotation)
    assert set(names) == set(CRITERIA)
    assert set(LOOK_AT_DATA) < set(names)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_scores_are_finite_repeatable_and_at_least_zero(name):
    model = residual_model()
    first = scores_by_group(model, name)
    again = scores_by_group(model, name)
    assert set(first) == {("stem", "separable"), ("up",)}
    for layers_of_group, scores in first.items():
        assert (scores >= 0).all() and np.ptp(scores) > 0
        np.testing.assert_array_equal(scores, again[layers_of_group])


@pytest.mark.parametrize("name", ["l1", "l2", "mean_activation", "taylor", "fisher"])
def test_a_channel_of_zero_weights_scores_lowest(name):
    model = residual_model()
    kernel, bias = model.get_layer("up").get_weights()
    kernel[:, :, 7], bias[7] = 0, 0
    model.get_layer("up").set_weights([kernel, bias])
    scores = scores_by_group(model, name)[("up",)]
    assert scores[7] == 0 and (np.delete(scores, 7) > 0).all()


@pytest.mark.parametrize(
    "name", ["l1", "l2", "geometric_median", "mean_activation", "taylor", "fisher"]
)
def test_scores_follow_their_channels(name):
    """Exchanging channels exchanges scores: position does not count."""
    model = residual_model()
    before = scores_by_group(model, name)[("up",)]
    order = np.random.default_rng(1).permutation(24)
    kernel, bias = model.get_layer("up").get_weights()
    model.get_layer("up").set_weights([kernel[:, :, order], bias[order]])
    kernel, bias = model.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([kernel[:, :, order], bias])
    after = scores_by_group(model, name)[("up",)]
    np.testing.assert_allclose(after, before[order], rtol=1e-4)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_smaller_share_is_part_of_a_larger_one(name, scope):
    model = residual_model()
    plans = [
        plan_pruning(
            model,
            keep=keep,
            criterion=name,
            scope=scope,
            multiple_of=1,
            data=data_for(name),
        )
        for keep in (0.25, 0.5, 0.75)
    ]
    for small, large in zip(plans, plans[1:], strict=False):
        for few, many in zip(small.groups, large.groups, strict=True):
            assert set(few.kept) <= set(many.kept)
    units = sum(group.units for group in plans[1].groups)
    kept = sum(len(group.kept) for group in plans[1].groups)
    assert kept == units // 2
