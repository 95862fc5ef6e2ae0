"""Channels through shared layers, nested models, and several inputs and outputs."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.pruning import plan_pruning

from .networks import chain, images, outputs, with_random_weights
from .rules.tracing import assert_exact, groups_of, reasons_of


def test_a_shared_layer_ties_its_inputs():
    image = keras.Input((4, 4, 3))
    a, b = layers.Conv2D(8, 1, name="a")(image), layers.Conv2D(8, 1, name="b")(image)
    shared = layers.Conv2D(6, 3, padding="same", name="shared")
    x = layers.Concatenate()([shared(a), shared(b)])
    model = with_random_weights(keras.Model(image, layers.Conv2D(2, 1)(x)))
    assert groups_of(model) == {("a", "b"): 8, ("shared",): 6}
    assert_exact(model)


def test_a_layer_that_is_traced_in_one_call_only_is_kept_whole():
    image = keras.Input((4, 4, 3))
    a = layers.Conv2D(8, 1, name="a")(image)
    b = layers.Softmax(name="opaque")(layers.Conv2D(8, 1, name="b")(image))
    norm = layers.BatchNormalization(axis=2, name="rows")
    x = layers.Add()(
        [
            norm(
                layers.Permute((1, 3, 2))(
                    layers.Reshape((4, 4, 4))(layers.Conv2D(4, 1, name="c")(image))
                )
            ),
            norm(layers.Conv2D(4, 1, name="d")(image)),
        ]
    )
    y = layers.Concatenate()([a, b])
    outs = [layers.Conv2D(2, 1)(x), layers.Conv2D(2, 1)(y)]
    frozen = reasons_of(keras.Model(image, outs))
    assert "rows (BatchNormalization): it reads axis 2" in frozen["d"]
    assert "rows" in frozen["c"]
    assert "opaque" in frozen["b"] and "a" not in frozen


def test_wrappers_freeze():
    wrapped = layers.TimeDistributed(layers.Dense(8), name="wrapped")
    image = keras.Input((4, 4, 3))
    x = wrapped(layers.Conv2D(8, 1, name="to_wrapper")(image))
    x = layers.Concatenate()([x, layers.Conv2D(8, 1, name="free")(image)])
    model = with_random_weights(keras.Model(image, layers.Conv2D(2, 1, name="o")(x)))
    reason = reasons_of(model)["to_wrapper"]
    assert reason.startswith("wrapped (TimeDistributed): no rule")
    assert groups_of(model) == {("free",): 8}
    assert_exact(model)


def nested_model():
    """A model in a model in a model, called twice, and a Sequential one."""
    inner = keras.Input((None, None, 8))
    body = layers.Conv2D(8, 3, padding="same", name="body")(inner)
    block = keras.Model(inner, layers.Add()([inner, body]), name="block")
    middle = keras.Input((None, None, 8))
    twice = keras.Model(middle, block(block(middle)), name="twice")
    tail = keras.Sequential(
        [layers.LayerNormalization(), layers.Conv2D(16, 1, name="wide")], name="tail"
    )
    image = keras.Input((8, 8, 3))
    x = tail(twice(layers.Conv2D(8, 3, padding="same", name="first")(image)))
    return with_random_weights(keras.Model(image, layers.Conv2D(2, 1, name="o")(x)))


def test_channels_pass_through_nested_and_shared_models(tmp_path):
    model = nested_model()
    assert groups_of(model) == {("first", "twice/block/body"): 8, ("tail/wide",): 16}
    smaller = assert_exact(model)
    smaller.save(tmp_path / "smaller.keras")
    loaded = keras.models.load_model(tmp_path / "smaller.keras")
    inputs = images(model)
    np.testing.assert_allclose(
        outputs(loaded, inputs), outputs(smaller, inputs), rtol=1e-5, atol=1e-6
    )


def test_a_nested_model_can_be_skipped_as_a_whole():
    plan = plan_pruning(nested_model(), keep=0.5, multiple_of=1, skip=["twice"])
    kept = {group.layers: len(group.kept) for group in plan.groups}
    assert kept == {("tail/wide",): 8}


def test_a_nested_model_that_holds_channels_on_several_axes_is_kept():
    inner_image = keras.Input((8, 8))
    inner = keras.Model(inner_image, layers.ReLU()(inner_image), name="inner")
    image = keras.Input((8, 3))
    x = layers.Conv1D(8, 1, name="last_axis")(image)
    y = layers.Permute((2, 1))(layers.Conv1D(8, 1, name="first_axis")(image))
    x = layers.Flatten()(layers.Add()([inner(x), inner(y)]))
    model = keras.Model(image, layers.Dense(2, name="o")(x))
    assert {"last_axis", "first_axis"} <= set(reasons_of(model))


def test_a_layer_that_a_nested_model_also_holds_is_kept_whole():
    conv = layers.Conv2D(8, 1, name="conv")
    inner = keras.Input((4, 4, 3))
    nested = keras.Model(inner, conv(inner), name="nested")
    image = keras.Input((4, 4, 3))
    x = layers.Concatenate()([nested(image), conv(image)])
    model = keras.Model(image, layers.Conv2D(2, 1)(x))
    assert reasons_of(model)["conv"].startswith("its weights are shared: ")


@pytest.mark.parametrize("change", ["quantize", "lora"])
def test_weights_that_are_not_plain_are_kept_whole(change):
    model = chain(
        layers.Dense(8, name="first"),
        layers.Dense(8, name="changed"),
        layers.Dense(2),
        shape=(4,),
    )
    layer = model.get_layer("changed")
    if change == "lora":
        layer.enable_lora(2)
    else:
        layer.quantize("int8")
    assert "changed (Dense): its weights are not plain" in reasons_of(model)["first"]


def test_several_inputs_and_outputs():
    first, second = keras.Input((4, 4, 3), name="a"), keras.Input((4, 4, 2), name="b")
    x = layers.Conv2D(8, 1, name="x")(first)
    y = layers.Conv2D(8, 1, name="y")(second)
    x = layers.Add()([x, y])
    out = {"early": layers.Conv2D(3, 1)(x), "late": layers.Conv2D(8, 1, name="z")(x)}
    model = with_random_weights(keras.Model({"a": first, "b": second}, out))
    plan = plan_pruning(model, keep=0.5, multiple_of=1)
    assert [group.layers for group in plan.groups] == [("x", "y")]
    generator = np.random.default_rng(0)
    inputs = {
        "a": generator.normal(size=(1, 4, 4, 3)),
        "b": generator.normal(size=(1, 4, 4, 2)),
    }
    got, expected = plan.apply(model)(inputs), plan.zero(model)(inputs)
    assert set(got) == {"early", "late"}
    for name in got:
        found, wanted = map(keras.ops.convert_to_numpy, (got[name], expected[name]))
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
