"""Layers that compute in bfloat16 while a model is trained."""

import json
import zipfile

import keras
import numpy as np
import pytest
from keras import layers, ops

from segshrink.distillation import distill
from segshrink.models import build_model
from segshrink.objectives import CrossEntropy
from segshrink.recipe import DistillationSettings
from segshrink.training import precision, train
from segshrink.training.precision import LayerPrecision, chosen_precision

from .runs import Interrupted, KillAfter, small_model, small_settings

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
LABELS = GENERATOR.integers(0, 3, (2, 32, 32)).astype(np.uint8)


class Watched(keras.callbacks.Callback):
    """Notes the types that a layer computed with in training and in validation."""

    def __init__(self, model, name):
        super().__init__()
        self.layer, self.seen = model.get_layer(name), {}
        self._call = self.layer.call
        self.layer.call = self._watched
        self.training = False

    def _watched(self, x, *args, **options):
        kind = keras.backend.standardize_dtype(x.dtype)
        self.seen.setdefault(self.training, set()).add(kind)
        return self._call(x, *args, **options)

    def on_epoch_begin(self, epoch, logs=None):
        self.training = True

    def on_epoch_end(self, epoch, logs=None):
        self.training = False


def policies(path):
    """Types of all layers in the configuration of a saved model."""
    with zipfile.ZipFile(path) as file:
        text = file.read("config.json").decode()
    found = []

    def visit(value):
        if isinstance(value, dict):
            if value.get("class_name") in ("DTypePolicy", "DTypePolicyMap"):
                found.append(value["config"]["name"])
            for inner in value.values():
                visit(inner)
        elif isinstance(value, list):
            for inner in value:
                visit(inner)

    visit(json.loads(text))
    return set(found)


@pytest.mark.parametrize("tiles_on", ["host", "device"])
def test_steps_compute_in_bfloat16_and_all_else_in_float32(context, tiles_on):
    model = small_model()
    watched = Watched(model, "first")
    before = model.get_weights()
    settings = small_settings(precision="bfloat16", tiles_on=tiles_on)
    result = train(model, settings, context, callbacks=[watched])
    assert watched.seen == {
        True: {"bfloat16"},
        False: {"float32"},
    }
    assert result.epochs == 2 and np.isfinite(result.best_val_loss)
    saved = context.folder / "model.keras"
    assert policies(saved) == {"float32"}
    assert {w.dtype for w in keras.saving.load_model(saved).weights} == {"float32"}
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    changed = [
        not np.array_equal(a, b)
        for a, b in zip(before, model.get_weights(), strict=True)
    ]
    assert all(changed[:2])


def test_float32_is_what_a_processor_takes(context):
    model = small_model()
    watched = Watched(model, "first")
    train(model, small_settings(epochs=1), context, callbacks=[watched])
    assert watched.seen[True] == {"float32"}


def test_a_killed_run_leaves_float32_and_resumes_in_it(context):
    model = small_model()
    with pytest.raises(Interrupted):
        killed = type(context)(
            dataset=context.dataset, folder=context.folder, progress=KillAfter(4)
        )
        train(model, small_settings(precision="bfloat16"), killed)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    model = small_model()
    result = train(model, small_settings(precision="float32"), context)
    assert result.epochs == 2


class LossTypes(CrossEntropy):
    def __init__(self):
        super().__init__()
        self.seen = set()

    def value(self, pixels):
        loss = super().value(pixels)
        seen = (pixels.log_probabilities, loss)
        self.seen |= {keras.backend.standardize_dtype(x.dtype) for x in seen}
        return loss


def gradients(model, kind):
    """Gradients of a step of plain descent, and the types the loss was computed in."""
    loss, switch = LossTypes(), LayerPrecision(kind, [model])
    before = [ops.convert_to_numpy(w) for w in model.trainable_weights]
    model.compile(keras.optimizers.SGD(1.0), loss=loss)
    switch.on_epoch_begin(0)
    model.train_on_batch(IMAGES, LABELS)
    switch.on_epoch_end(0)
    after = [ops.convert_to_numpy(w) for w in model.trainable_weights]
    return [a - b for a, b in zip(before, after, strict=True)], loss.seen


def nested():
    """A model inside a model, with normalization inside and outside."""
    keras.utils.set_random_seed(3)
    x = inside = keras.Input((32, 32, 4))
    x = layers.Conv2D(4, 3, padding="same")(x)
    inner = keras.Model(inside, layers.BatchNormalization()(x), name="inner")
    images = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 255)(images)
    x = inner(layers.Conv2D(4, 3, padding="same")(x))
    return keras.Model(images, layers.Conv2D(3, 1)(layers.ReLU()(x)))


def unet():
    keras.utils.set_random_seed(3)
    return build_model(
        "unet",
        num_classes=3,
        input_shape=(32, 32, 3),
        base_filters=4,
        levels=1,
        dropout=0,
    )


@pytest.mark.parametrize("build", [nested, unet])
def test_gradients_are_close_to_those_of_float32(build):
    exact, _ = gradients(build(), "float32")
    rounded, seen = gradients(build(), "bfloat16")
    assert seen == {"float32"}
    ours, theirs = (np.concatenate([x.ravel() for x in g]) for g in (rounded, exact))
    distance = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
    # bfloat16 has 8 significant bits; float32 would be nearer than the lower bound.
    assert 1e-4 < distance < 0.1


def test_gradients_of_biases_are_summed_in_float32():
    """Over 32,768 pixels, where a sum in bfloat16 stops at a few hundred."""

    class Sum(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return ops.sum(y_pred, axis=(1, 2, 3))

    images = keras.Input((128, 128, 3))
    model = keras.Model(images, layers.Conv2D(1, 1)(images))
    switch = LayerPrecision("bfloat16", [model])
    model.compile(keras.optimizers.SGD(1.0), loss=Sum(reduction="sum"))
    switch.on_epoch_begin(0)
    model.train_on_batch(np.zeros((2, 128, 128, 3)), np.zeros((2, 128, 128, 1)))
    switch.restore()
    assert ops.convert_to_numpy(model.layers[-1].bias) == [-2 * 128 * 128]


def test_grey_levels_become_numbers_in_float32():
    images = keras.Input((4, 4, 3))
    model = keras.Model(images, layers.Rescaling(1 / 127.5, -1)(images))
    switch = LayerPrecision("bfloat16", [model])
    switch.on_epoch_begin(0)
    assert ops.dtype(model(IMAGES[:, :4, :4])) == "float32"


def test_the_live_teacher_computes_in_it_too(context):
    teacher, student = small_model(1, filters=6), small_model(2)
    watched = Watched(teacher, "first")
    distill(
        student,
        teacher,
        small_settings(epochs=1, precision="bfloat16"),
        DistillationSettings(losses={"pixel_kl": 1.0}, cache=False),
        context,
    )
    assert set().union(*watched.seen.values()) == {"bfloat16"}
    assert {layer.dtype_policy.name for layer in teacher.layers} == {"float32"}


@pytest.mark.parametrize(
    ("accelerator", "able", "expected"),
    [(False, True, "float32"), (True, False, "float32"), (True, True, "bfloat16")],
)
def test_auto_follows_the_device(monkeypatch, accelerator, able, expected):
    monkeypatch.setattr(precision, "has_accelerator", lambda: accelerator)
    monkeypatch.setattr(precision, "_has_bfloat16", lambda: able)
    assert chosen_precision("auto") == expected
    assert chosen_precision("float32") == "float32"
    assert chosen_precision("bfloat16") == "bfloat16"
