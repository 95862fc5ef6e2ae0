"""Channels that each rule ties together or freezes.

Random networks are pruned exactly in `test_planning.py`.
"""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.errors import UsageError
from segshrink.pruning import RULES, Channels, apply_channel_masks, plan_pruning
from segshrink.pruning.graph import trace

from .networks import (
    chain,
    images,
    outputs,
    relative_difference,
    set_weights,
    with_random_weights,
)


def groups_of(model):
    return {group.layers: len(group.units) for group in trace(model).groups()}


def reasons_of(model):
    return {kept.layer: kept.reason for kept in trace(model).frozen()}


def assert_exact(model, keep=0.5):
    plan = plan_pruning(model, keep=keep, multiple_of=1)
    smaller, inputs = plan.apply(model), images(model)
    expected = outputs(plan.zero(model), inputs)
    assert relative_difference(outputs(smaller, inputs), expected) < 1e-4
    assert smaller.count_params() == plan.parameters_after < plan.parameters_before
    return smaller


def around(middle, filters=8, shape=(8, 8, 3)):
    """A convolution, `middle`, and a convolution that gives the output."""
    first = layers.Conv2D(filters, 3, padding="same", name="first")
    return chain(first, *middle, layers.Conv2D(2, 1, name="last"), shape=shape)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Activation("relu"),
        layers.Activation(keras.activations.gelu),
        layers.ReLU(6.0),
        layers.LeakyReLU(),
        layers.ELU(),
        layers.PReLU(shared_axes=[1, 2]),
        layers.BatchNormalization(),
        layers.Dropout(0.5),
        layers.SpatialDropout2D(0.5),
        layers.GaussianNoise(0.1),
        layers.GaussianDropout(0.1),
        layers.AlphaDropout(0.1),
        layers.ActivityRegularization(0.1),
        layers.Identity(),
        layers.Rescaling(0.5, offset=1.0),
        layers.MaxPooling2D(),
        layers.AveragePooling2D(2),
        layers.UpSampling2D(interpolation="bilinear"),
        layers.Resizing(5, 7),
        layers.ZeroPadding2D(1),
        layers.Cropping2D(1),
        layers.DepthwiseConv2D(3),
        layers.Dropout(0.5, noise_shape=(None, 1, 1, 1)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_channel_passes_through_by_itself(layer):
    model = around([type(layer).from_config(layer.get_config())])
    (layers_of_group, units), *others = groups_of(model).items()
    assert (layers_of_group[0], units, others) == ("first", 8, [])
    assert assert_exact(model).get_layer("last").input.shape[-1] == 4


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (layers.LayerNormalization(axis=[1, 2], name="m"), "it normalizes other axes"),
        (layers.UnitNormalization(axis=1, name="m"), "it normalizes other axes"),
        (layers.Softmax(name="m"), "it compares all channels"),
        (layers.Activation("softmax", name="m"), "activation softmax is not known"),
        (layers.Activation(keras.ops.abs, name="m"), "activation abs is not"),
        (layers.Rescaling([1.0] * 8, name="m"), "scales each channel by a constant"),
        (layers.Dropout(0.5, noise_shape=(None, 1, 1, 8), name="m"), "noise_shape"),
        (layers.BatchNormalization(axis=1, name="m"), "it reads axis 1 across"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_layer_that_mixes_channels_freezes_them_with_a_reason(layer, reason):
    frozen = reasons_of(around([layer]))
    assert frozen["first"].startswith(f"m ({type(layer).__name__}): ")
    assert reason in frozen["first"]


def test_a_mixing_activation_of_a_layer_keeps_its_outputs_only():
    middle = [layers.Conv2D(4, 1, activation="softmax", name="mixes")]
    model = around(middle)
    assert groups_of(model) == {("first",): 8}
    assert "activation softmax is not known" in reasons_of(model)["mixes"]
    assert_exact(model)


def test_depthwise_outputs_leave_with_their_input():
    deep = layers.DepthwiseConv2D(3, depth_multiplier=3, name="deep")
    model = around([deep])
    graph = trace(model)
    roots = graph.space.roots(graph.layers["deep"].made[0].ids).reshape(8, 3)
    assert (roots == roots[:, :1]).all() and len(np.unique(roots)) == 8
    smaller = apply_channel_masks(model, {"first": np.arange(8) != 2})
    kept = np.delete(np.arange(24), [6, 7, 8])
    np.testing.assert_array_equal(
        smaller.get_layer("deep").bias.numpy(), deep.bias.numpy()[kept]
    )


def test_grouped_convolution_keeps_groups_of_equal_size():
    model = around([layers.Conv2D(12, 3, groups=2, name="grouped")])
    # 4 pairs of inputs, one of each group, and 6 pairs of outputs.
    assert groups_of(model) == {("first",): 4, ("grouped",): 6}
    assert assert_exact(model).get_layer("grouped").groups == 2


def test_flatten_maps_every_value_to_its_channel():
    model = chain(layers.Conv2D(5, 3, name="first"), layers.Flatten(), layers.Dense(2))
    smaller = apply_channel_masks(model, {"first": [True, False, True, True, False]})
    kernel = model.layers[-1].kernel.numpy().reshape(6, 6, 5, 2)
    np.testing.assert_array_equal(
        smaller.layers[-1].kernel.numpy(), kernel[:, :, [0, 2, 3]].reshape(-1, 2)
    )


def test_reshape_that_lays_units_over_pixels_ties_them():
    model = chain(
        layers.Dense(64, name="units"),
        layers.Reshape((4, 4, 4)),
        layers.Conv2D(2, 1),
        shape=(6,),
    )
    assert groups_of(model) == {("units",): 4}
    assert assert_exact(model).get_layer("units").units == 32


def test_reshape_of_unknown_sizes_freezes_unless_channels_stay_last():
    to_pairs = layers.Reshape((-1, 16), name="pairs")
    frozen = reasons_of(
        chain(layers.Conv2D(8, 1, name="first"), to_pairs, shape=(None, None, 3))
    )
    assert frozen["first"] == "pairs (Reshape): it reshapes sizes that are not fixed"
    to_rows = [layers.Reshape((-1, 8)), layers.Dense(2)]
    model = chain(layers.Conv2D(8, 1, name="first"), *to_rows, shape=(None, None, 3))
    assert groups_of(model) == {("first",): 8}
    assert_exact(model)


def test_permute_moves_the_channel_axis():
    middle = [layers.Permute((3, 1, 2)), layers.Permute((2, 3, 1))]
    model = around(middle)
    assert groups_of(model) == {("first",): 8}
    assert_exact(model)
    mixing = chain(
        layers.Conv2D(8, 1, name="first"),
        layers.Permute((3, 1, 2)),
        layers.Dense(2, name="mixes"),
    )
    assert "mixes (Dense): it reads axis 3" in reasons_of(mixing)["first"]


def test_channels_first():
    image = keras.Input((3, 8, 8))
    options = {"data_format": "channels_first", "padding": "same"}
    x = layers.Conv2D(8, 3, name="first", **options)(image)
    x = layers.BatchNormalization(axis=1)(x)
    y = layers.Conv2D(8, 3, name="second", **options)(x)
    x = layers.Concatenate(axis=1)([image, layers.Add()([x, y]), y])
    x = layers.GlobalAveragePooling2D(data_format="channels_first")(x)
    model = with_random_weights(keras.Model(image, layers.Dense(2)(x)))
    assert groups_of(model) == {("first", "second"): 8}
    plan = plan_pruning(model, keep=0.5, multiple_of=1)
    smaller = plan.apply(model)
    assert smaller.layers[-1].kernel.shape == (3 + 4 + 4, 2)
    assert smaller.count_params() == plan.parameters_after
    if keras.backend.backend() != "tensorflow":  # it has no such convolution on a CPU
        assert_exact(model)


def test_concatenation_in_space_ties_channels():
    image = keras.Input((4, 4, 3))
    left, right = (
        layers.Conv2D(8, 1, name="a")(image),
        layers.Conv2D(8, 1, name="b")(image),
    )
    x = layers.Concatenate(axis=2)([left, right])
    model = with_random_weights(keras.Model(image, layers.Conv2D(2, 1)(x)))
    assert groups_of(model) == {("a", "b"): 8}
    assert_exact(model)


def test_addition_across_concatenations_ties_segment_by_segment():
    image = keras.Input((4, 4, 3))
    a, b, c, d = (
        layers.Conv2D(filters, 1, name=name)(image)
        for name, filters in {"a": 8, "b": 4, "c": 6, "d": 6}.items()
    )
    x = layers.Add()([layers.Concatenate()([a, b]), layers.Concatenate()([c, d])])
    model = with_random_weights(keras.Model(image, layers.Conv2D(2, 1)(x)))
    assert groups_of(model) == {("a", "c"): 6, ("a", "d"): 2, ("b", "d"): 4}
    assert_exact(model)


def test_adding_the_image_freezes_what_it_is_added_to():
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(8, 1, name="free")(image)
    x = layers.Add()([image, layers.Conv2D(3, 1, name="residual")(x)])
    model = with_random_weights(keras.Model(image, layers.Conv2D(2, 1, name="o")(x)))
    assert reasons_of(model) == {"residual": "model input", "o": "model output"}
    assert_exact(model)


def test_an_attention_map_keeps_its_one_channel():
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(8, 1, name="x")(image)
    attention = layers.Conv2D(1, 1, name="map")(image)
    y = layers.Multiply(name="gate")([attention, x])
    model = with_random_weights(keras.Model(image, layers.Conv2D(2, 1, name="o")(y)))
    assert groups_of(model) == {("x",): 8}
    assert reasons_of(model)["map"] == (
        "gate (Multiply): one channel stands beside all channels"
    )
    assert_exact(model)


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


@pytest.mark.parametrize(
    "join",
    [
        lambda x, constant: keras.ops.concatenate([x, constant], axis=-1),
        lambda x, constant: keras.ops.concatenate([x, constant], axis=1),
        lambda x, constant: layers.Concatenate()([x, constant]),
        lambda x, constant: layers.Add()([x, constant]),
    ],
)
def test_a_constant_among_tensors_freezes(join):
    image = keras.Input((4, 4, 3), batch_size=2)
    x = layers.Conv2D(8, 1, name="first")(image)
    y = layers.Conv2D(6, 1, name="second")(join(x, np.ones((2, 4, 4, 8), "float32")))
    model = with_random_weights(keras.Model(image, layers.Conv2D(2, 1, name="o")(y)))
    assert "a constant stands among its inputs" in reasons_of(model)["first"]
    assert groups_of(model) == {("second",): 6}
    assert_exact(model)


def test_moveaxis_moves_the_channel_axis():
    image = keras.Input((4, 6, 3))
    x = layers.Conv2D(8, 1, name="first")(image)
    x = keras.ops.moveaxis(keras.ops.moveaxis(x, -1, 1), (1, 2), (3, 1))
    model = with_random_weights(keras.Model(image, layers.Dense(2, name="o")(x)))
    assert groups_of(model) == {("first",): 8}
    assert_exact(model)


def test_a_nested_model_that_holds_channels_on_several_axes_is_kept():
    inner_image = keras.Input((8, 8))
    inner = keras.Model(inner_image, layers.ReLU()(inner_image), name="inner")
    image = keras.Input((8, 3))
    x = layers.Conv1D(8, 1, name="last_axis")(image)
    y = layers.Permute((2, 1))(layers.Conv1D(8, 1, name="first_axis")(image))
    x = layers.Flatten()(layers.Add()([inner(x), inner(y)]))
    model = keras.Model(image, layers.Dense(2, name="o")(x))
    assert {"last_axis", "first_axis"} <= set(reasons_of(model))


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


def attention_model():
    """Self-attention on a map, laid out as a sequence, with a residual and norms."""
    image = keras.Input((4, 4, 3))
    x = layers.Reshape((16, 12))(layers.Conv2D(12, 3, padding="same", name="a")(image))
    y = layers.LayerNormalization()(x)
    y = layers.MultiHeadAttention(num_heads=4, key_dim=3, name="attention")(y, y)
    x = layers.Add()([x, y])
    y = layers.EinsumDense("abc,cd->abd", output_shape=(None, 8), name="wide")(x)
    x = layers.Reshape((4, 4, 8))(layers.RMSNormalization()(y))
    return with_random_weights(keras.Model(image, layers.Conv2D(2, 1, name="o")(x)))


def test_heads_and_channels_of_attention_leave_apart():
    model = attention_model()
    assert groups_of(model) == {
        ("a", "attention"): 12,
        ("attention heads",): 4,
        ("wide",): 8,
    }
    smaller = assert_exact(model)
    assert smaller.get_layer("attention").get_config()["num_heads"] == 2
    assert smaller.get_layer("attention").query_dense.kernel.shape == (6, 2, 3)


@pytest.mark.parametrize(
    ("layer", "units"),
    [
        (layers.LayerNormalization(), 8),
        (layers.RMSNormalization(), 8),
        (layers.UnitNormalization(), 8),
        (layers.GroupNormalization(groups=1), 8),
        (layers.GroupNormalization(groups=2), 4),
        (layers.GroupNormalization(groups=8), 8),
        (layers.GroupNormalization(groups=-1), 8),
    ],
    ids=lambda value: type(value).__name__,
)
def test_normalizations_over_channels_count_the_kept_ones(layer, units):
    model = around([type(layer).from_config(layer.get_config())])
    assert groups_of(model) == {("first",): units}
    assert_exact(model)


def test_layer_normalization_of_what_stays_by_hand():
    model = around([layers.LayerNormalization(name="norm")])
    keep = np.arange(8) % 2 == 0
    smaller, inputs = apply_channel_masks(model, {"first": keep}), images(model)
    first = keras.Model(model.inputs[0], model.get_layer("first").output)
    x = outputs(first, inputs)[..., keep]
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3)
    norm, last = model.get_layer("norm"), model.get_layer("last")
    gamma, beta, kernel, bias = (
        keras.ops.convert_to_numpy(w) for w in (*norm.weights, *last.weights)
    )
    expected = (x * gamma[keep] + beta[keep]) @ kernel[0, 0, keep] + bias
    np.testing.assert_allclose(outputs(smaller, inputs), expected, rtol=1e-4, atol=1e-4)


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


class Gate(keras.Layer):
    """One learned factor per channel."""

    def build(self, input_shape):
        self.factor = self.add_weight(shape=(input_shape[-1],), name="factor")

    def call(self, inputs):
        return inputs * self.factor


def gate_rule(call):
    ids = call.channels(-1)
    call.slice(call.layer.factor, 0, ids)
    return Channels(call.axis(), ids)


def test_a_custom_layer_is_frozen_until_it_has_a_rule():
    model = around([Gate(name="gate")])
    assert "gate (Gate): no rule" in reasons_of(model)["first"]
    rules = {Gate: gate_rule}
    plan = plan_pruning(model, keep=0.5, multiple_of=1, rules=rules)
    smaller, inputs = plan.apply(model), images(model)
    assert smaller.get_layer("gate").factor.shape == (4,)
    expected = outputs(plan.zero(model), inputs)
    assert relative_difference(outputs(smaller, inputs), expected) < 1e-4


def test_a_subclass_is_not_taken_for_its_base():
    class Conv2D(layers.Conv2D):
        pass

    model = around([Conv2D(8, 1, name="mine")])
    assert "mine (Conv2D): no rule" in reasons_of(model)["first"]
    rules = {Conv2D: RULES[layers.Conv2D]}
    assert plan_pruning(model, keep=0.5, multiple_of=1, rules=rules).groups


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda call: call.slice(call.layer.factor * 1, 0, call.channels()), "named a"),
        (
            lambda call: call.slice(call.layer.factor, 0, call.new(3)),
            "axis 0 of weight 'factor' has 8 entries, but its rule gave 3 channels",
        ),
    ],
)
def test_a_wrong_rule_is_refused(rule, message):
    with pytest.raises(ValueError, match=message):
        trace(around([Gate(name="gate")]), {Gate: rule})


def test_a_rule_that_gives_nothing_is_refused():
    with pytest.raises(UsageError, match="gate: its rule must give the Channels"):
        trace(around([Gate(name="gate")]), {Gate: lambda call: None})


def test_a_rule_that_gives_another_number_of_channels_freezes():
    def half(call):
        return Channels(call.axis(), call.channels(-1)[:4])

    frozen = trace(around([Gate(name="gate")]), {Gate: half}).frozen()
    assert "its rule gave 4 channels along axis 3" in frozen[0].reason


def test_an_unused_rule_changes_nothing():
    model = around([])
    assert len(trace(model, {Gate: gate_rule}).groups()) == 1


def test_masks_of_a_layer_without_traced_channels_are_refused():
    model = around([layers.Softmax(name="opaque")])
    with pytest.raises(UsageError, match="'opaque' cannot be masked. .*compares"):
        apply_channel_masks(model, {"opaque": np.ones(8, bool)})
