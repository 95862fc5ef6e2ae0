"""Every kind of head becomes logits that choose the same classes."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from segshrink.errors import ModelError
from segshrink.models import head_note, load_model, save_model, with_logits

SIDE_PX = 8
IMAGES = np.random.default_rng(0).integers(0, 256, (2, SIDE_PX, SIDE_PX, 3))


def features():
    keras.utils.set_random_seed(1)
    images = keras.Input((SIDE_PX, SIDE_PX, 3))
    x = layers.Rescaling(1 / 255)(images)
    return images, layers.Conv2D(4, 3, padding="same", activation="relu")(x)


def ended(end):
    images, x = features()
    return keras.Model(images, end(x), name="mine")


def nested(end):
    images, x = features()
    inner = keras.Input((SIDE_PX, SIDE_PX, 4))
    return keras.Model(images, keras.Model(inner, end(inner), name="head")(x))


def logits(x, classes=3):
    return layers.Conv2D(classes, 1, name="scores", bias_initializer="ones")(x)


SOFTMAX = {
    "layer": lambda x: layers.Softmax()(logits(x)),
    "activation": lambda x: layers.Activation("softmax")(logits(x)),
    "of a convolution": lambda x: layers.Conv2D(3, 1, activation="softmax")(x),
    "operation": lambda x: ops.softmax(logits(x)),
    "before enlarging": lambda x: layers.UpSampling2D(2)(
        layers.AveragePooling2D(2)(layers.Softmax()(logits(x)))
    ),
    "before nothing": lambda x: layers.Dropout(0.5)(layers.Softmax()(logits(x))),
}
SIGMOID = {
    "activation": lambda x: layers.Activation("sigmoid")(logits(x, 1)),
    "of a convolution": lambda x: layers.Conv2D(1, 1, activation="sigmoid")(x),
    "operation": lambda x: ops.sigmoid(logits(x, 1)),
    "before enlarging": lambda x: layers.UpSampling2D(2)(
        layers.AveragePooling2D(2)(layers.Activation("sigmoid")(logits(x, 1)))
    ),
    "outside": lambda x: logits(x, 1),
}


def outputs_of(model):
    return np.asarray(model(IMAGES.astype("float32")), np.float64)


def softmax(values):
    exponents = np.exp(values - values.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)


@pytest.mark.parametrize("build", [ended, nested])
@pytest.mark.parametrize("kind", SOFTMAX)
def test_the_softmax_of_the_logits_is_what_the_model_gave(build, kind):
    model = build(SOFTMAX[kind])
    changed = with_logits(model)
    assert changed is not model
    assert "softmax" in head_note(changed)
    np.testing.assert_allclose(
        softmax(outputs_of(changed)), outputs_of(model), atol=1e-5
    )


@pytest.mark.parametrize("build", [ended, nested])
@pytest.mark.parametrize("kind", SIGMOID)
def test_one_channel_becomes_two_classes(build, kind):
    model = build(SIGMOID[kind])
    changed = with_logits(model)
    given = outputs_of(model)[..., 0]
    if kind == "outside":
        given = 1 / (1 + np.exp(-given))
    assert changed.output_shape == (None, SIDE_PX, SIDE_PX, 2)
    np.testing.assert_allclose(softmax(outputs_of(changed))[..., 1], given, atol=1e-5)


def test_sigmoids_of_several_classes_keep_the_largest():
    model = ended(lambda x: layers.Conv2D(3, 1, activation="sigmoid")(x))
    classes = outputs_of(with_logits(model)).argmax(-1)
    np.testing.assert_array_equal(classes, outputs_of(model).argmax(-1))


@pytest.mark.parametrize("end", [logits, lambda x: layers.UpSampling2D(1)(logits(x))])
def test_a_model_of_logits_stays_as_it_is(end):
    model = ended(end)
    assert with_logits(model) is model
    assert head_note(model) is None


@pytest.mark.parametrize("form", [lambda x: {"seg": x}, lambda x: [x]])
def test_the_only_output_may_lie_in_a_container(form):
    images, x = features()
    model = keras.Model(images, form(logits(x)), name="mine")
    found = with_logits(model)
    expected = keras.tree.flatten(model(IMAGES))[0]
    np.testing.assert_array_equal(found(IMAGES), expected)
    if isinstance(model.output, dict):
        assert "taken out of its container" in head_note(found)


def test_a_softmax_over_space_is_no_head():
    model = ended(lambda x: layers.Softmax(axis=1)(logits(x)))
    assert with_logits(model) is model


def test_what_is_changed_is_saved_and_loaded(tmp_path):
    keras.saving.save_model(ended(SIGMOID["of a convolution"]), tmp_path / "a.keras")
    first = load_model(tmp_path / "a.keras")
    save_model(first, tmp_path / "b.keras")
    second = load_model(tmp_path / "b.keras")
    assert head_note(second) is None
    np.testing.assert_array_equal(outputs_of(first), outputs_of(second))


def deep_supervision(full_sizes=1):
    images, x = features()
    small = layers.Conv2D(3, 1, name="aux")(layers.AveragePooling2D(2)(x))
    heads = [layers.Conv2D(3, 1, name=f"main{n}")(x) for n in range(full_sizes)]
    return keras.Model(images, [small, *heads])


def test_the_only_output_of_the_size_of_the_image_is_the_head():
    model = deep_supervision()
    changed = with_logits(model)
    np.testing.assert_array_equal(
        outputs_of(changed), np.asarray(model(IMAGES.astype("float32"))[1])
    )
    assert "is taken for the classes" in head_note(changed)


def test_the_head_is_named_or_numbered():
    model = deep_supervision(full_sizes=2)
    with pytest.raises(ModelError, match="which gives the classes.* --head NUMBER"):
        with_logits(model)
    by_number = with_logits(model, "2")
    by_name = with_logits(model, model.output_names[2])
    np.testing.assert_array_equal(outputs_of(by_number), outputs_of(by_name))
    with pytest.raises(ModelError, match="none is '7'"):
        with_logits(model, "7")
