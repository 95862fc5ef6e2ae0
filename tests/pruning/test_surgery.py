import keras
import numpy as np
import pytest
from keras import layers

from segshrink.errors import ModelError
from segshrink.pruning import plan_pruning, prune_channels

from .networks import (
    chain,
    images,
    outputs,
    relative_difference,
    small_unet,
    with_random_weights,
)


def test_configs_stay_except_for_sizes():
    model = chain(
        layers.Conv2D(
            16,
            3,
            dilation_rate=2,
            kernel_regularizer=keras.regularizers.L2(0.01),
            kernel_constraint="max_norm",
            dtype="mixed_bfloat16",
            trainable=False,
            name="first",
        ),
        layers.Conv2D(2, 1),
    )
    smaller = prune_channels(model, keep=0.5)
    before = model.get_layer("first").get_config()
    after = smaller.get_layer("first").get_config()
    assert after == {**before, "filters": 8}
    assert smaller.get_layer("first").dtype_policy.name == "mixed_bfloat16"
    assert type(smaller) is keras.Sequential and smaller.name == "chain"


def test_a_compiled_model_with_an_unknown_loss_gives_an_uncompiled_one():
    class Loss(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return y_pred

    model = small_unet()
    model.compile("adam", Loss())
    smaller = prune_channels(model, keep=0.5)
    assert not smaller.compiled and model.compiled


def test_adapted_normalization_keeps_its_statistics():
    data = np.random.default_rng(0).normal(5, 3, (100, 3)).astype("float32")
    normalize = layers.Normalization()
    normalize.adapt(data)
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), normalize, layers.Conv2D(8, 1), layers.Conv2D(2, 1)]
    )
    inputs = images(model)
    same = prune_channels(model, keep=1.0)
    np.testing.assert_array_equal(outputs(same, inputs), outputs(model, inputs))


def doubled(x):
    return 2 * x


def test_functions_of_the_model_are_kept():
    model = with_random_weights(
        chain(
            layers.Conv2D(8, 1, name="first"),
            layers.Lambda(lambda x: x + 1),
            layers.Conv2D(8, 1, activation=doubled, name="second"),
            layers.ReLU(),
            layers.Conv2D(8, 1, name="third"),
            layers.Conv2D(2, 1),
        )
    )
    plan, inputs = plan_pruning(model, keep=0.5, multiple_of=1), images(model)
    assert {group.layers for group in plan.groups} == {("third",)}
    expected = outputs(plan.zero(model), inputs)
    assert relative_difference(outputs(plan.apply(model), inputs), expected) < 1e-4


class Net(keras.Model):
    """A Functional subclass that is not registered."""


def test_a_nested_subclass_of_functional_is_cut_too():
    inner_image = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, name="inside")(inner_image)
    inner = Net(inner_image, layers.Conv2D(4, 1, name="end")(x), name="inner")
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(2, 1, name="o")(inner(image))
    model = with_random_weights(keras.Model(image, x))
    plan, inputs = plan_pruning(model, keep=0.5, multiple_of=1), images(model)
    smaller = plan.apply(model)
    assert type(smaller.get_layer("inner")) is type(smaller)
    assert smaller.get_layer("inner").get_layer("inside").filters == 4
    expected = outputs(plan.zero(model), inputs)
    assert relative_difference(outputs(smaller, inputs), expected) < 1e-4


def test_operations_whose_config_has_no_name():
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 1, name="first")(keras.ops.image.extract_patches(image, 2))
    model = with_random_weights(keras.Model(image, layers.Conv2D(2, 1)(x)))
    plan, inputs = plan_pruning(model, keep=0.5, multiple_of=1), images(model)
    expected = outputs(plan.zero(model), inputs)
    assert relative_difference(outputs(plan.apply(model), inputs), expected) < 1e-4


def test_a_config_that_keras_cannot_write_is_refused():
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 1, name="first")(image)
    x = keras.ops.clip(x, np.zeros(8, "float32"), np.ones(8, "float32"))
    model = keras.Model(image, layers.Conv2D(2, 1)(layers.Conv2D(8, 1)(x)))
    plan = plan_pruning(model, keep=0.5, multiple_of=1)
    with pytest.raises(ModelError, match="cannot be rebuilt from its config"):
        plan.apply(model)


def test_a_model_that_keras_cannot_rebuild_is_refused():
    class NeedsMore(keras.Layer):
        def __init__(self, more, **kwargs):
            super().__init__(**kwargs)
            self.more = more

        def build(self, shape):
            self.factor = self.add_weight(shape=(), initializer="ones")

        def call(self, inputs):
            return inputs * self.factor

        def get_config(self):
            return {"name": self.name}

    model = chain(
        layers.Conv2D(8, 1), layers.Conv2D(8, 1), NeedsMore(1), layers.Conv2D(2, 1)
    )
    plan = plan_pruning(model, keep=0.5, multiple_of=1)
    with pytest.raises(ModelError, match="chain: the model cannot be rebuilt"):
        plan.apply(model)


def test_removed_entries_of_a_zeroed_model_are_inert():
    model = small_unet()
    plan = plan_pruning(model, keep=0.5)
    zeroed = plan.zero(model)
    kept = {layer.name: layer.kept for layer in plan.layers}
    removed = np.setdiff1d(np.arange(24), kept["top_conv"])
    assert not zeroed.get_layer("top_conv").kernel.numpy()[..., removed].any()
    assert not zeroed.get_layer("logits").kernel.numpy()[:, :, removed].any()
    norm = zeroed.get_layer("top_norm")
    assert (
        not norm.gamma.numpy()[removed].any() and not norm.beta.numpy()[removed].any()
    )
    assert (norm.moving_variance.numpy()[removed] == 1).all()


class Counting(keras.initializers.Initializer):
    """Ones, and the number of times that they were asked for."""

    def __init__(self):
        self.calls = 0

    def __call__(self, shape, dtype=None, **kwargs):
        self.calls += 1
        return keras.ops.ones(shape, dtype)


def test_weights_are_not_initialized_before_they_are_set():
    initializer = Counting()
    model = chain(
        layers.Conv2D(8, 1, kernel_initializer=initializer, name="first"),
        layers.BatchNormalization(moving_mean_initializer=initializer),
        layers.Conv2D(2, 1),
    )
    plan, calls = plan_pruning(model, keep=0.5, multiple_of=1), initializer.calls
    smaller = plan.apply(model)
    assert initializer.calls == calls
    assert smaller.get_layer("first").kernel_initializer is initializer


def test_models_share_no_weights():
    model = small_unet()
    smaller, inputs = prune_channels(model, keep=0.5), images(model)
    same = prune_channels(model, keep=1.0)
    before = outputs(smaller, inputs), outputs(same, inputs)
    for weight in model.weights:
        weight.assign(np.zeros(tuple(weight.shape)))
    np.testing.assert_array_equal(outputs(smaller, inputs), before[0])
    np.testing.assert_array_equal(outputs(same, inputs), before[1])


class FromArray(keras.Layer):
    """A layer whose variable starts with an array, not with an initializer."""

    def build(self, shape):
        self.factor = keras.Variable(np.full((), 2.0, "float32"), name="factor")

    def call(self, inputs):
        return inputs * self.factor


def test_variables_of_custom_layers_may_start_with_arrays():
    model = chain(
        layers.Conv2D(8, 1),
        layers.ReLU(),
        layers.Conv2D(8, 1),
        FromArray(name="double"),
        layers.Conv2D(2, 1),
    )
    model.get_layer("double").factor.assign(3.0)
    plan, inputs = plan_pruning(model, keep=0.5, multiple_of=1), images(model)
    smaller = plan.apply(model)
    assert float(smaller.get_layer("double").factor) == 3.0
    expected = outputs(plan.zero(model), inputs)
    assert relative_difference(outputs(smaller, inputs), expected) < 1e-4


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="modules of PyTorch")
def test_pytorch_knows_the_parameters_of_every_layer():
    smaller = prune_channels(small_unet(), keep=0.5)
    for layer in smaller._flatten_layers():
        assert len(list(layer.torch_params.values())) == len(layer.variables)
    held = {id(parameter) for parameter in smaller.parameters()}
    assert held == {id(weight.value) for weight in smaller.weights}
    assert set(smaller.layers[1].state_dict())
