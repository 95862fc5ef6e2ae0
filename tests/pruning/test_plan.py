"""Plans: the smaller model, the zeroed one, and the record."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.errors import ModelError
from segshrink.measuring import count_macs
from segshrink.pruning import plan_pruning, prune_channels

from .networks import chain, images, outputs, small_unet, weights


@pytest.fixture(scope="module")
def unet():
    return small_unet()


def test_weights_of_a_smaller_unet_are_those_of_the_large_one_at_kept_indices(unet):
    plan = plan_pruning(unet, keep=0.5)
    kept = {layer.name: list(layer.kept) for layer in plan.layers}
    smaller = plan.apply(unet)
    joined = kept["up"] + [16 + channel for channel in kept["down_conv"]]
    kernel = unet.get_layer("top_conv").kernel.numpy()
    np.testing.assert_array_equal(
        smaller.get_layer("top_conv").kernel.numpy(),
        kernel[:, :, joined][..., kept["top_conv"]],
    )
    np.testing.assert_array_equal(
        smaller.get_layer("inner_norm").moving_variance.numpy(),
        unet.get_layer("inner_norm").moving_variance.numpy()[kept["inner_conv"]],
    )


def test_zeroing_equals_zeroing_filters_by_hand_where_no_bias_follows():
    model = chain(
        layers.Conv2D(8, 3, activation="relu", use_bias=False, name="first"),
        layers.Conv2D(8, 3, activation="relu", use_bias=False, name="second"),
        layers.Conv2D(2, 1, name="logits"),
    )
    plan = plan_pruning(model, keep=0.5, multiple_of=1)
    by_hand = keras.models.clone_model(model)
    by_hand.set_weights(weights(model))
    for planned in plan.layers[:2]:
        kernel = by_hand.get_layer(planned.name).kernel
        values = kernel.numpy()
        values[..., np.setdiff1d(np.arange(8), planned.kept)] = 0
        kernel.assign(values)
    inputs = images(model)
    expected = outputs(by_hand, inputs)
    np.testing.assert_allclose(outputs(plan.apply(model), inputs), expected, rtol=1e-4)
    np.testing.assert_allclose(outputs(plan.zero(model), inputs), expected, rtol=1e-4)


def test_keep_all_gives_identical_outputs(unet):
    inputs = images(unet)
    plan = plan_pruning(unet, keep=1.0)
    assert plan.parameters_after == plan.parameters_before
    np.testing.assert_array_equal(
        outputs(plan.apply(unet), inputs), outputs(unet, inputs)
    )


def test_a_pruned_model_shares_nothing_with_the_original(unet):
    inputs = images(unet)
    before = outputs(unet, inputs)
    smaller = prune_channels(unet, keep=1.0)
    for weight in smaller.weights:
        weight.assign(weight * 0)
    np.testing.assert_array_equal(outputs(unet, inputs), before)


def test_a_pruned_model_trains(unet):
    smaller = prune_channels(unet, keep=0.5)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    smaller.compile("sgd", loss, jit_compile=False)
    labels = np.random.default_rng(0).integers(0, 3, (4, 8, 8))
    before = weights(smaller)
    assert np.isfinite(smaller.train_on_batch(images(unet, 4), labels))
    changed = [
        not np.array_equal(old, new)
        for old, new in zip(before, weights(smaller), strict=True)
    ]
    assert all(changed)


RELOAD = """
import sys
sys.modules["segshrink"] = None  # any import of it fails
import keras, numpy
model = keras.models.load_model(sys.argv[1])
inputs = numpy.load(sys.argv[2])
numpy.save(sys.argv[3], keras.ops.convert_to_numpy(model(inputs, training=False)))
"""


def test_a_pruned_model_opens_where_segshrink_is_not_installed(unet, tmp_path):
    plan = plan_pruning(unet, keep=0.5, scope="global")
    smaller, inputs = plan.apply(unet), images(unet)
    files = [str(tmp_path / name) for name in ("s.keras", "in.npy", "out.npy")]
    smaller.save(files[0])
    np.save(files[1], inputs)
    subprocess.run(
        [sys.executable, "-c", RELOAD, *files], check=True, env=dict(os.environ)
    )
    np.testing.assert_allclose(
        np.load(files[2]), outputs(smaller, inputs), rtol=1e-4, atol=1e-5
    )


def test_a_loaded_model_is_pruned_like_the_one_saved(unet, tmp_path):
    unet.save(tmp_path / "unet.keras")
    loaded = keras.models.load_model(tmp_path / "unet.keras")
    plan = plan_pruning(unet, keep=0.5)
    assert plan_pruning(loaded, keep=0.5) == plan
    inputs = images(unet)
    np.testing.assert_array_equal(
        outputs(plan.apply(loaded), inputs), outputs(plan.apply(unet), inputs)
    )


def test_the_record_is_json_and_complete(unet):
    plan = plan_pruning(unet, keep=0.5)
    record = json.loads(json.dumps(plan.as_record().as_plain(), allow_nan=False))
    assert record["model"] == "small_unet"
    assert record["parameters_before"] == unet.count_params()
    assert record["parameters_after"] == plan.apply(unet).count_params()
    assert record["macs_before"] == count_macs(unet).macs
    assert record["macs_after"] == count_macs(plan.apply(unet)).macs
    assert record["measured"] == {}
    assert record["settings"] == {
        "keep": 0.5,
        "budget": None,
        "criterion": "group_norm",
        "scope": "layer",
        "multiple_of": 8,
        "skip": [],
    }
    group = record["groups"][1]
    assert group["layers"] == ["bottom_conv", "inner_conv"]
    assert (group["units_before"], group["units_after"]) == (32, len(group["kept"]))
    assert record["frozen"] == [
        {"layer": "logits", "channels": 3, "reason": "model output"}
    ]


def test_a_plan_for_another_model_is_refused(unet):
    plan = plan_pruning(unet, keep=0.5)
    other = chain(layers.Conv2D(4, 3, name="down_conv"), layers.Conv2D(3, 1))
    with pytest.raises(ModelError, match="made for another model.*down_conv"):
        plan.apply(other)
    with pytest.raises(ModelError, match="made for another model"):
        plan.zero(plan.apply(unet))
