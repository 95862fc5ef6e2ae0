import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from keras import layers

from segshrink.errors import ModelError, UsageError
from segshrink.pruning import CRITERIA, plan_pruning

from .networks import (
    chain,
    images,
    outputs,
    random_network,
    relative_difference,
    small_unet,
    weights,
)


@pytest.fixture(scope="module")
def unet():
    return small_unet()


def channels_after(plan):
    return {layer.name: len(layer.kept) for layer in plan.layers}


@settings(
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes
)
@given(
    data=st.data(),
    keep=st.sampled_from([0.2, 0.5, 0.8]),
    scope=st.sampled_from(["layer", "global"]),
    multiple_of=st.sampled_from([1, 4]),
)
def test_removed_channels_and_zeroed_ones_give_the_same_outputs(
    data, keep, scope, multiple_of
):
    model = random_network(data.draw)
    before, inputs = weights(model), images(model)
    try:
        plan = plan_pruning(model, keep=keep, scope=scope, multiple_of=multiple_of)
    except ModelError as error:
        assert "no channel of this model may leave" in str(error)  # noqa: PT017
        return
    smaller, zeroed = plan.apply(model), plan.zero(model)
    assert relative_difference(outputs(smaller, inputs), outputs(zeroed, inputs)) < 1e-4
    assert smaller.count_params() == plan.parameters_after
    assert zeroed.count_params() == plan.parameters_before == model.count_params()
    assert [layer.name for layer in smaller.layers] == [
        layer.name for layer in model.layers
    ]
    for old, new in zip(before, weights(model), strict=True):
        np.testing.assert_array_equal(old, new)


def test_unet_keeps_what_is_expected(unet):
    plan = plan_pruning(unet, keep=0.5)
    assert channels_after(plan) == {
        "down_conv": 8,
        "bottom_conv": 16,
        "inner_conv": 16,
        "up": 8,
        "top_conv": 16,  # 12 lies halfway between 8 and 16
        "logits": 3,
    }
    groups = {group.layers: group.units for group in plan.groups}
    assert groups == {
        ("down_conv",): 16,
        ("bottom_conv", "inner_conv"): 32,
        ("up",): 16,
        ("top_conv",): 24,
    }
    kept = {layer.name: layer.kept for layer in plan.layers}
    assert kept["bottom_conv"] == kept["inner_conv"]


def test_channels_of_zero_weights_leave_first_and_nothing_changes(unet):
    dead = {"bottom": [1, 5, 8, 9, 20, 21, 30, 31], "top": [0, 2, 4, 6, 8, 10, 12, 23]}
    dead["inner"] = dead["bottom"]
    model = keras.models.clone_model(unet)
    model.set_weights(weights(unet))
    for name, channels in dead.items():
        kernel = model.get_layer(f"{name}_conv").kernel
        values = kernel.numpy()
        values[..., channels] = 0
        kernel.assign(values)
        for weight in model.get_layer(f"{name}_norm").weights[1:3]:  # beta, mean
            values = weight.numpy()
            values[channels] = 0
            weight.assign(values)
    plan = plan_pruning(model, keep=0.75, criterion="l2", skip=["down_conv", "up"])
    # 18 of 24 lies nearer to 16 than to 24, so the plan takes just the 8 dead ones.
    kept = {layer.name: layer.kept for layer in plan.layers}
    assert not set(kept["bottom_conv"]) & set(dead["bottom"])
    assert not set(kept["top_conv"]) & set(dead["top"])
    assert len(kept["bottom_conv"]) == 24 and len(kept["top_conv"]) == 16
    inputs = images(model)
    difference = relative_difference(
        outputs(plan.apply(model), inputs), outputs(model, inputs)
    )
    assert difference < 1e-5


def test_the_unet_of_the_house():
    from segshrink.models import build_model

    model = build_model("unet", num_classes=6, input_shape=(64, 64, 3), base_filters=16)
    plan = plan_pruning(model, keep=0.4)
    inputs = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    smaller, zeroed = plan.apply(model), plan.zero(model)
    assert relative_difference(outputs(smaller, inputs), outputs(zeroed, inputs)) < 1e-4
    assert smaller.count_params() == plan.parameters_after < 0.4 * model.count_params()
    assert smaller.output_shape == model.output_shape
    assert all(kept.reason == "model output" for kept in plan.frozen)
    assert sum(kept.channels for kept in plan.frozen) == 6


def test_global_scope_takes_from_groups_that_lose_little_and_empties_none():
    model = chain(
        layers.Conv2D(16, 3, name="uniform"),
        layers.Conv2D(16, 3, name="steep"),
        layers.Conv2D(2, 1, name="logits"),
    )
    model.get_layer("uniform").set_weights([np.ones((3, 3, 3, 16)), np.zeros(16)])
    steep = np.ones((3, 3, 16, 16)) * (2.0 ** np.arange(16))
    model.get_layer("steep").set_weights([steep, np.zeros(16)])
    plan = plan_pruning(model, keep=0.5, scope="global", multiple_of=1)
    after = channels_after(plan)
    assert after["uniform"] + after["steep"] == 16
    # 4 steep filters hold 94 % of the score of theirs, 12 uniform ones 75 %.
    assert after["uniform"] >= 11
    kept = {layer.name: layer.kept for layer in plan.layers}
    assert kept["steep"] == tuple(range(16 - after["steep"], 16))
    tiny = plan_pruning(model, keep=0.01, scope="global", multiple_of=8)
    assert channels_after(tiny) == {"uniform": 8, "steep": 8, "logits": 2}


def test_a_skipped_layer_keeps_its_channels_and_those_added_to_it(unet):
    plan = plan_pruning(unet, keep=0.5, skip=["inner_norm", "up"])
    after = channels_after(plan)
    assert (after["bottom_conv"], after["inner_conv"], after["up"]) == (32, 32, 16)
    reasons = {kept.layer: kept.reason for kept in plan.frozen}
    assert reasons["bottom_conv"] == "skipped: inner_norm"
    assert reasons["up"] == "skipped: up"


def test_a_criterion_may_be_a_function(unet):
    def last_first(group):
        return np.arange(group.size)

    plan = plan_pruning(unet, keep=0.5, criterion=last_first)
    assert plan.settings.criterion == "last_first"
    assert all(
        group.kept == tuple(range(group.units - len(group.kept), group.units))
        for group in plan.groups
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keep": 0}, "keep must be above 0 and at most 1, got 0."),
        ({"keep": 1.5}, "keep must be above 0 and at most 1, got 1.5."),
        ({"keep": "half"}, "keep must be above 0 and at most 1, got 'half'."),
        ({"keep": True}, "keep must be above 0 and at most 1, got True."),
        ({"multiple_of": 0}, "multiple_of must be an int from 1, got 0."),
        ({"multiple_of": 2.5}, "multiple_of must be an int from 1, got 2.5."),
        ({"scope": "all"}, "scope must be one of layer, global, got 'all'."),
        (
            {"criterion": "l3"},
            f"criterion must be one of {', '.join(CRITERIA)}, or a function, got 'l3'.",
        ),
        ({"skip": "up"}, "skip must be a list of layer names, got 'up'."),
        ({"skip": [1]}, "skip must be a list of layer names, got [1]."),
        ({"skip": None}, "skip must be a list of layer names, got None."),
        (
            {"rules": [1]},
            "rules must map layer classes to functions or None, got [1].",
        ),
        (
            {"data": 3, "criterion": "taylor"},
            "data must be (images, labels) or batches of these, got 3.",
        ),
    ],
)
def test_a_wrong_argument_is_refused(unet, arguments, message):
    with pytest.raises(UsageError) as refused:
        plan_pruning(unet, **{"keep": 0.5, **arguments})
    assert str(refused.value) == message


def test_an_unknown_layer_to_skip_is_refused_with_the_known_ones(unet):
    with pytest.raises(UsageError, match="does not have: nope.*down_conv.*logits"):
        plan_pruning(unet, keep=0.5, skip=["up", "nope"])


def test_a_criterion_of_the_wrong_shape_is_refused(unet):
    with pytest.raises(ValueError, match=r"each of the 16 units.*down_conv.*\(3,\)"):
        plan_pruning(unet, keep=0.5, criterion=lambda group: np.zeros(3))


def test_models_that_cannot_be_pruned_are_refused():
    with pytest.raises(ModelError, match="must be built first"):
        plan_pruning(keras.Sequential([layers.Conv2D(8, 3)]), keep=0.5)

    class Subclassed(keras.Model):
        pass

    with pytest.raises(ModelError, match="only Functional and Sequential.*Subclassed"):
        plan_pruning(Subclassed(), keep=0.5)
    with pytest.raises(ModelError, match="no channel.*\n  logits: model output"):
        plan_pruning(chain(layers.Conv2D(8, 3, name="logits")), keep=0.5)


@pytest.mark.parametrize("criterion", ["group_norm", "l1", "l2"])
def test_a_frozen_model_is_pruned_as_if_it_were_not(criterion):
    model = small_unet()
    for weight in model.trainable_weights:
        weight.assign(np.random.default_rng(5).normal(size=weight.shape))
    wanted = plan_pruning(model, keep=0.5, multiple_of=1, criterion=criterion)
    model.trainable = False
    found = plan_pruning(model, keep=0.5, multiple_of=1, criterion=criterion)
    assert [cut.kept for cut in found.layers] == [cut.kept for cut in wanted.layers]
