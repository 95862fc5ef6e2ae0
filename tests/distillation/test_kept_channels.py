"""Channels that a pruned student has of its teacher's maps."""

import json
from functools import cache

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from keras import layers, ops

from distillation.matched_models import (
    build,
    triples,
    unet,
)
from pruning import segmentation_networks
from pruning.networks import random_network, small_unet, with_random_weights
from segshrink.compression.student import kept_channels
from segshrink.distillation import match_layers
from segshrink.distillation.feature_maps import feature_model
from segshrink.errors import ModelError
from segshrink.pruning import plan_pruning
from segshrink.records.plan import PlannedLayerRecord, PlanRecord

# -- Pruned students ---------------------------------------------------------------


def maps_of(model):
    """Names of all feature maps that are not vectors."""
    names = []
    for layer in model.layers:
        shape = tuple(layer.output.shape)
        if len(shape) == 4 and shape[1:3] != (1, 1):
            names.append(layer.name)
    return names


def kept_of(plan):
    return {layer.name: layer.kept for layer in plan.layers}


def features_of(model, names, seed=0):
    generator = np.random.default_rng(seed)
    images = generator.uniform(0, 255, (2, *model.input_shape[1:])).astype("float32")
    _, *maps = feature_model(model, names)(images, training=False)
    return dict(zip(names, map(ops.convert_to_numpy, maps), strict=True))


def assert_kept_channels_agree(matches, whole, small):
    """`whole` has the teacher's shapes, and removed channels reach no reader."""
    theirs = features_of(whole, list({pair.teacher for pair in matches}))
    ours = features_of(small, list({pair.student for pair in matches}))
    for pair in matches:
        if pair.kept is None:
            continue
        expected = theirs[pair.teacher][..., list(pair.kept)]
        scale = np.abs(expected).max() or 1.0
        difference = np.abs(ours[pair.student] - expected).max()
        assert difference < 1e-4 * scale, pair


PRUNED = {
    "unet": lambda: unet(levels=2),
    "unet_without_norm": lambda: unet(levels=3, norm=None, activation="leaky_relu"),
    # Additions, depthwise convolutions, bilinear doubling.
    "compact": lambda: build("compact", width=16),
    # Addition, pooling, concatenation.
    "small_unet": small_unet,
    # Nested concatenations.
    "unet_plus_plus": segmentation_networks.unet_plus_plus,
    # Average pooling, gates of 1x1 maps.
    "lr_aspp": segmentation_networks.lr_aspp,
    "deeplab": segmentation_networks.deeplab,
    "fast_scnn": segmentation_networks.fast_scnn,
}


@cache
def pruned(name, keep=0.5):
    """(teacher of random weights, plan that takes channels at random, student)."""
    teacher = with_random_weights(PRUNED[name](), seed=3)
    keras.utils.set_random_seed(4)
    plan = plan_pruning(teacher, keep=keep, criterion="random", multiple_of=1)
    return teacher, plan, plan.apply(teacher)


@pytest.mark.parametrize("name", PRUNED)
def test_kept_channels_are_those_that_the_student_computes(name):
    teacher, plan, student = pruned(name)
    names = maps_of(student)
    matches = match_layers(
        teacher, student, pairs={x: x for x in names}, kept=kept_of(plan)
    )
    assert {pair.student for pair in matches} == set(names)
    assert_kept_channels_agree(matches, plan.zero(teacher), student)
    # The channels really differ, so that this says something.
    assert any(pair.kept != tuple(range(len(pair.kept or ()))) for pair in matches)


@pytest.mark.parametrize("name", PRUNED)
def test_stages_of_a_pruned_student_need_no_projection(name):
    teacher, plan, student = pruned(name)
    matches = match_layers(teacher, student, kept=kept_of(plan))
    # By name: all roles that the teacher has.
    assert [pair.student for pair in matches] == [pair.teacher for pair in matches]
    assert triples(matches) == triples(match_layers(teacher, teacher))
    assert [pair.role for pair in matches if not pair.direct] == []
    words = {pair.comparison for pair in matches}
    assert words == {"kept channels", "direct"}
    assert matches[-1].comparison == "direct"
    without = match_layers(teacher, student)
    assert triples(without) == triples(matches)
    assert "1x1 projection" in {pair.comparison for pair in without}


def every_other(channels, first):
    return tuple(range(first, channels, 2))


def test_channels_are_followed_through_depthwise_pooling_and_padding():
    """By hand: what leaves is the odd channels of one, the even ones of the other."""
    images = keras.Input((8, 8, 3))
    one = layers.Conv2D(6, 1, name="one")(images)
    one = layers.BatchNormalization(name="normal")(one)
    one = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(one)
    other = layers.Conv2D(4, 1, name="other")(images)
    other = layers.AveragePooling2D(2, name="pooled")(
        layers.PReLU(name="slopes")(other)
    )
    other = layers.UpSampling2D(name="enlarged")(other)
    other = layers.Cropping2D(1, name="cut")(layers.ZeroPadding2D(1)(other))
    joined = layers.Concatenate(name="joined")([other, images, one])
    x = layers.Multiply(name="squared")([joined, joined])
    teacher = keras.Model(images, layers.Conv2D(2, 1, name="logits")(x))
    kept = {"one": every_other(6, 0), "other": every_other(4, 1), "logits": (0, 1)}

    small = keras.Input((8, 8, 3))
    one = layers.Conv2D(3, 1, name="one")(small)
    one = layers.BatchNormalization(name="normal")(one)
    one = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(one)
    other = layers.Conv2D(2, 1, name="other")(small)
    other = layers.AveragePooling2D(2, name="pooled")(
        layers.PReLU(name="slopes")(other)
    )
    other = layers.UpSampling2D(name="enlarged")(other)
    other = layers.Cropping2D(1, name="cut")(layers.ZeroPadding2D(1)(other))
    joined = layers.Concatenate(name="joined")([other, small, one])
    x = layers.Multiply(name="squared")([joined, joined])
    student = keras.Model(small, layers.Conv2D(2, 1, name="logits")(x))

    names = ("depthwise", "cut", "joined", "squared")
    matches = match_layers(teacher, student, pairs={x: x for x in names}, kept=kept)
    found = {pair.student: pair.kept for pair in matches}
    assert found["depthwise"] == (0, 2, 4)
    assert found["cut"] == (1, 3)
    # Two of the other, the three of the image, three of the one.
    assert found["joined"] == found["squared"] == (1, 3, 4, 5, 6, 7, 9, 11)
    assert found["logits"] == (0, 1)


@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(st.data())
def test_kept_channels_of_random_networks(data):
    teacher = random_network(data.draw)
    assume(len(teacher.output_shape) == 4)
    try:
        plan = plan_pruning(teacher, keep=0.5, criterion="random", multiple_of=1)
    except ModelError:
        return  # no channel of it may leave
    student = plan.apply(teacher)
    operations = feature_model(student, []).operations
    names = {
        x.name
        for x in operations
        if len(x._inbound_nodes) == 1
        and not isinstance(x.output, list)
        and len(x.output.shape) == 4
    }
    matches = match_layers(
        teacher, student, pairs={x: x for x in names}, kept=kept_of(plan)
    )
    assert_kept_channels_agree(matches, plan.zero(teacher), student)


# -- A model pruned more than once -------------------------------------------------


def with_inner(whole, plan, inner):
    """`whole` with the weights of `inner` where the plan keeps them.

    `inner` has the shapes of what the plan leaves of `whole`, so that the sum of both
    removes channels in two goes.
    """
    result = plan.zero(whole)
    cuts = {cut.layer: cut.weights for cut in plan.cuts}
    for layer in result.layers:
        values = layer.get_weights()
        for position, new in enumerate(inner.get_layer(layer.name).get_weights()):
            cut = cuts.get(layer.name, {}).get(position)
            kept = cut.kept if cut else {}
            place = np.ix_(
                *(
                    np.flatnonzero(kept[axis]) if axis in kept else np.arange(size)
                    for axis, size in enumerate(values[position].shape)
                )
            )
            values[position][place] = new
        layer.set_weights(values)
    return result


@pytest.mark.parametrize("name", ["unet", "compact", "small_unet"])
def test_channels_kept_by_two_plans_one_after_the_other(name):
    teacher, first, between = pruned(name, keep=0.7)
    keras.utils.set_random_seed(5)
    second = plan_pruning(between, keep=0.5, criterion="random", multiple_of=1)
    student = second.apply(between)
    records = [
        PlanRecord.parse(json.loads(json.dumps(x.as_record().as_plain())), where="")
        for x in (first, second)
    ]
    kept = kept_channels(records)
    whole = with_inner(teacher, first, second.zero(between))
    names = maps_of(student)
    matches = match_layers(teacher, student, pairs={x: x for x in names}, kept=kept)
    assert_kept_channels_agree(matches, whole, student)
    assert all(pair.direct for pair in match_layers(teacher, student, kept=kept))
    with pytest.raises(ValueError, match="channels were kept, but the student has"):
        match_layers(teacher, student, kept=kept_channels(records[:1]))


def record(**kept):
    """Of a plan: name = (channels before, kept)."""
    return PlanRecord(
        parameters_before=0,
        parameters_after=0,
        layers=tuple(
            PlannedLayerRecord(
                name=name,
                channels_before=before,
                channels_after=len(indices),
                kept=tuple(indices),
            )
            for name, (before, indices) in kept.items()
        ),
    )


def test_kept_channels_compose():
    first = record(a=(6, (1, 2, 4, 5)), b=(3, (0, 1, 2)))
    second = record(a=(4, (0, 3)), b=(3, (2,)), c=(2, (1,)))
    third = record(a=(2, (1,)))
    assert kept_channels([]) == {}
    assert kept_channels([first]) == {"a": [1, 2, 4, 5], "b": [0, 1, 2]}
    assert kept_channels([first, second]) == {"a": [1, 5], "b": [2], "c": [1]}
    assert kept_channels([first, second, third])["a"] == [5]


def test_kept_channels_of_three_plans_are_those_of_numpy_indexing():
    generator = np.random.default_rng(0)
    left, plans = np.arange(40), []
    for count in (25, 11, 4):
        kept = np.sort(generator.choice(len(left), count, replace=False))
        plans.append(record(conv=(len(left), kept.tolist())))
        left = left[kept]
    assert kept_channels(plans) == {"conv": left.tolist()}


# -- Wrong plans -------------------------------------------------------------------


def test_a_plan_that_kept_other_numbers_is_refused():
    teacher, plan, student = pruned("unet")
    other = plan_pruning(teacher, keep=0.25, multiple_of=1)
    with pytest.raises(
        ValueError, match=r"2 channels were kept, but the student has 4\. Give the plan"
    ):
        match_layers(teacher, student, kept=kept_of(other))
    with pytest.raises(ValueError, match="Give the plan"):
        match_layers(teacher, teacher, kept=kept_of(plan))
    with pytest.raises(ValueError, match="Give the plan"):
        match_layers(teacher, build("compact"), kept=kept_of(plan))


def test_a_plan_of_a_wider_model_is_refused():
    """It keeps as many channels, but some that this teacher does not have."""
    teacher, _, student = pruned("unet")
    wider = plan_pruning(
        unet(base_filters=16, levels=2), keep=0.25, criterion="random", multiple_of=1
    )
    with pytest.raises(ValueError):
        match_layers(teacher, student, kept=kept_of(wider))


def test_a_plan_of_other_layers_is_refused():
    teacher, _, student = pruned("unet")
    with pytest.raises(ValueError):
        match_layers(teacher, student, kept={"nowhere": (0, 1)})
