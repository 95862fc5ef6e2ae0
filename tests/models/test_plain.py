"""Models with a config or layers of their own become plain ones."""

import json
import zipfile

import keras
import numpy as np
import pytest
from keras import layers, ops
from keras.src.models.functional import Functional

from segshrink.errors import ModelError
from segshrink.models import custom_layers, load_model, plain_model


class Task(keras.Model):
    """Functional by construction, with a config that does not spell its graph."""

    def __init__(self, filters, **kwargs):
        image = keras.Input((8, 8, 3))
        x = layers.Conv2D(filters, 3, padding="same", name="stem")(image)
        super().__init__(image, layers.Conv2D(2, 1, name="head")(x), **kwargs)
        self.filters = filters

    def get_config(self):
        return {"filters": self.filters, "name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("tests")
class Block(layers.Layer):
    """Combines layers and operations; its config cannot be read back."""

    def __init__(self, filters=8, name="block"):
        super().__init__(name=name)
        self.convs = [layers.Conv2D(filters, 3, padding="same") for _ in range(2)]
        self.norm = layers.BatchNormalization()
        self.drop = layers.Dropout(0.5)

    def call(self, x, training=None):
        y = ops.relu(self.norm(self.convs[0](x), training=training))
        y = self.drop(self.convs[1](y), training=training)
        batch, rows, columns, channels = ops.shape(y)
        y = ops.reshape(y, (batch, -1, channels))
        return x + ops.reshape(y, (batch, rows, columns, channels))


class Noisy(layers.Layer):
    """Computes otherwise in training."""

    def call(self, x, training=None):
        return x * 2.0 if training else x


class Scale(layers.Layer):
    """Has a weight of its own."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.factor


class Tied(layers.Layer):
    """Uses the weight of an inner layer as a constant."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = layers.Dense(8)

    def call(self, x):
        return self.inner(x) * ops.sum(self.inner.kernel, axis=0)


class Regularized(layers.Layer):
    def call(self, x):
        self.add_loss(ops.mean(x))
        return ops.relu(x)


def model_around(*middle, filters=8):
    x = image = keras.Input((8, 8, 3))
    x = layers.Conv2D(filters, 3, padding="same", name="first")(x)
    for layer in middle:
        x = layer(x)
    model = keras.Model(image, layers.Conv2D(2, 1, name="last")(x))
    random = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(random.uniform(0.1, 1, weight.shape))
    return model


def difference(first, second):
    shape = (2, *(size or 8 for size in first.inputs[0].shape[1:]))
    images = np.random.default_rng(1).normal(size=shape).astype("float32")
    a, b = (
        keras.ops.convert_to_numpy(model(images, training=False))
        for model in (first, second)
    )
    return np.abs(a - b).max() / np.abs(a).max()


def test_a_plain_model_is_returned_as_it_is():
    sequential = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 1)])
    for model in (model_around(), sequential):
        assert plain_model(model) is model


def test_a_functional_model_with_a_config_of_its_own_keeps_its_layers():
    task = Task(8)
    plain = plain_model(task)
    assert type(plain) is Functional
    assert plain.get_layer("stem") is task.get_layer("stem")
    assert plain.name == task.name


def test_a_nested_model_with_a_config_of_its_own_becomes_plain():
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, layers.Conv2D(4, 1)(Task(8, name="task")(image)))
    before = [w.numpy() if hasattr(w, "numpy") else w for w in model.get_weights()]
    plain = plain_model(model)
    assert type(plain.get_layer("task")) is Functional
    assert difference(model, plain) == 0
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_custom_layer_that_combines_layers_is_opened(tmp_path):
    model = model_around(Block(name="one"), Block(name="two"))
    plain = plain_model(model)
    assert difference(model, plain) < 1e-6
    assert plain.count_params() == model.count_params()
    assert custom_layers(plain) == ()
    inner = {layer.name for layer in plain.get_layer("one").layers}
    assert {"convs_0", "convs_1", "norm", "drop"} <= inner
    plain.save(tmp_path / "plain.keras")
    with zipfile.ZipFile(tmp_path / "plain.keras") as archive:
        assert "tests>" not in archive.read("config.json").decode()
    assert difference(model, keras.models.load_model(tmp_path / "plain.keras")) < 1e-6


def test_names_in_opened_layers_do_not_depend_on_what_was_built_before():
    model = model_around(Block())
    configs = [json.dumps(plain_model(model).get_config()) for _ in range(2)]
    assert configs[0] == configs[1]


def test_training_passes_into_an_opened_layer():
    plain = plain_model(model_around(Block()))
    images = np.ones((2, 8, 8, 3), "float32")
    moving = plain.get_layer("block").get_layer("norm").moving_mean
    before = keras.ops.convert_to_numpy(moving)
    first, second = (np.asarray(plain(images, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 0
    assert np.abs(keras.ops.convert_to_numpy(moving) - before).max() > 0


def test_a_layer_that_is_called_twice_shares_its_weights():
    block = Block()
    plain = plain_model(model_around(block, block))
    assert plain.count_params() == model_around(block, block).count_params()
    assert difference(model_around(block, block), plain) < 1e-6


@pytest.mark.parametrize("layer", [Noisy(), Scale(), Tied(), Regularized()])
def test_a_layer_that_cannot_be_opened_exactly_stays_whole(layer):
    model = model_around(layer, Block())
    plain = plain_model(model)
    assert custom_layers(plain) == (f"{layer.name} ({type(layer).__name__})",)
    assert type(plain.get_layer("block")) is Functional
    assert difference(model, plain) < 1e-6


def test_a_layer_to_keep_stays_whole():
    model = model_around(Block())
    assert plain_model(model, keep=(Block,)) is model


def test_a_model_whose_call_is_its_own_is_refused():
    class Doubled(Task):
        def call(self, inputs, training=None, mask=None):
            return 2 * super().call(inputs, training=training, mask=mask)

    with pytest.raises(ModelError, match="Doubled has a call\\(\\) of its own"):
        plain_model(Doubled(8))


def test_a_layer_that_cannot_be_copied_is_named():
    class Odd(Scale):
        def __init__(self):
            super().__init__()

    with pytest.raises(ModelError, match="Odd\\): the layer cannot be copied"):
        plain_model(model_around(Odd(), Block()))


def test_a_file_with_such_layers_loads_as_a_plain_model(tmp_path):
    class Named(Block):
        def get_config(self):
            return {"name": self.name}

    keras.saving.register_keras_serializable("tests")(Named)
    model = model_around(Named())
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert custom_layers(loaded) == ()
    assert difference(model, loaded) < 1e-6


def test_a_copy_keeps_which_layers_are_frozen():
    image = keras.Input((8, 8, 3))
    frozen = layers.Conv2D(4, 1, trainable=False, name="frozen")
    x = layers.Conv2D(2, 1, name="free")(Block(4)(frozen(image)))
    copy = plain_model(keras.Model(image, x))
    assert not copy.get_layer("frozen").trainable
    assert copy.get_layer("free").trainable
