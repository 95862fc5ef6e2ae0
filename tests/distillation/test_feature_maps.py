"""Feature maps of models, and models that have none."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops

from distillation.matched_models import (
    SIDE_PX,
    sequential,
    triples,
    valley,
)
from pruning import segmentation_networks
from segshrink.distillation import match_layers
from segshrink.distillation.feature_maps import feature_model
from segshrink.errors import ModelError

# -- Feature models ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["deeplab", "segformer", "nested"])
def test_a_feature_model_gives_logits_and_maps(name):
    model = getattr(segmentation_networks, name)()
    matches = match_layers(model, model)
    images = np.random.default_rng(0).normal(size=(1, SIDE_PX, SIDE_PX, 3))
    logits, *maps = feature_model(model, [pair.student for pair in matches])(
        images.astype("float32")
    )
    np.testing.assert_allclose(logits, model(images), rtol=1e-5, atol=1e-5)
    for pair, features in zip(matches, maps, strict=True):
        assert tuple(features.shape[1:]) == pair.student_shape
        assert np.ptp(ops.convert_to_numpy(features)) > 0
    np.testing.assert_array_equal(maps[-1], logits)


@pytest.mark.parametrize("size", [8, None])
def test_a_nested_models_map_is_that_of_its_call(size):
    """Whatever the size that the nested model was built for."""
    inner = keras.Input((size, size, 8))
    body = layers.Conv2D(8, 3, padding="same", activation="relu")(inner)
    block = keras.Model(inner, body, name="block")
    model = valley(block)
    assert triples(match_layers(model, model))[0][1:] == ("before", "before")
    (pair,) = match_layers(model, model, pairs={"block": "block"}).select("chosen")
    assert pair.teacher_shape == pair.student_shape == (8, 8, 8)
    images = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("float32")
    pooled, found = (
        feature_model(model, [name])(images)[1] for name in ("pool", "block")
    )
    np.testing.assert_allclose(found, block(pooled), rtol=1e-5, atol=1e-5)


def grown_sequential():
    """A model built by `add`, which calls all layers again each time."""
    model = keras.Sequential()
    for layer in (
        keras.Input((8, 8, 3)),
        layers.Conv2D(4, 3, padding="same", name="conv"),
        layers.Dropout(0.5, name="dropout"),
        layers.Conv2D(3, 1, name="logits"),
    ):
        model.add(layer)
    return model


REBUILT = {
    "cloned": keras.models.clone_model,
    "grown": lambda model: model,
    # As by loading a file or applying a plan.
    "from_config": lambda model: keras.Sequential.from_config(model.get_config()),
}


@pytest.mark.parametrize("how", REBUILT)
def test_features_and_logits_are_of_the_same_pass(how):
    model = REBUILT[how](grown_sequential())
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    logits, dropped = feature_model(model, ["dropout"])(images, training=True)
    again = model.get_layer("logits")(dropped)
    np.testing.assert_allclose(logits, again, rtol=1e-5, atol=1e-6)


def test_a_feature_model_takes_images_without_a_warning():
    model = sequential()
    features = feature_model(model, ["coarse"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features(np.zeros((1, SIDE_PX, SIDE_PX, 3), "float32"))


# -- Models that cannot be matched -------------------------------------------------


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="subclassed")
        self.logits = layers.Conv2D(4, 1)

    def call(self, images):
        return self.logits(images)


def open_size():
    images = keras.Input((None, None, 3))
    return keras.Model(images, layers.Conv2D(4, 1)(images), name="open")


def two_outputs():
    images = keras.Input((32, 32, 3))
    x = layers.Conv2D(4, 1)(images)
    return keras.Model(images, [x, layers.ReLU()(x)], name="two")


def output_called_twice():
    images = keras.Input((32, 32, 3))
    conv = layers.Conv2D(3, 1, name="twice")
    return keras.Model(images, conv(conv(images)), name="repeated")


UNFIT = {
    "subclassed": (Subclassed, r"got Subclassed.*by its logits alone"),
    "open": (open_size, r"needs a fixed image size.*\(None, None, None, 4\)"),
    "two": (two_outputs, r"one map as output, got outputs of .*32.*32"),
    "repeated": (output_called_twice, r"called more than once.*by its logits alone"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_models_that_show_no_maps_are_refused(name):
    make, message = UNFIT[name]
    model, other = make(), sequential()
    for pair in ((other, model), (model, other)):
        with pytest.raises(ModelError, match=f"^{name}: .*{message}"):
            match_layers(*pair)


def test_a_model_that_is_not_built_is_refused():
    model = keras.Sequential([layers.Conv2D(4, 1)], name="unbuilt")
    with pytest.raises(ModelError, match="^unbuilt: "):
        match_layers(sequential(), model)
