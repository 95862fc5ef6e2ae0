"""train(): its files, when it stops, and its errors."""

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import asdict

import keras
import numpy as np
import pytest

from segshrink.errors import RecipeError, TrainingError
from segshrink.objectives import ConfusionMatrix, build_loss
from segshrink.progress import SilentProgress
from segshrink.recipe import LossSettings
from segshrink.training import Objective, TrainingContext, fit, train
from segshrink.training.checkpoint import state_path
from segshrink.training.train import supervised_loss
from segshrink.training.validation import Validation, Validator

from .runs import (
    TILE_PX,
    read_history,
    small_model,
    small_settings,
    weights_of,
)


class Recorded(SilentProgress):
    def __init__(self):
        self.calls = []

    def start(self, label, total):
        self.calls.append(("start", label, total))

    def advance(self, steps=1, **facts):
        self.calls.append(("advance", steps, *facts))

    def finish(self):
        self.calls.append(("finish",))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_dataset):
    """A folder, the result and the progress of two epochs with two losses."""
    folder, progress = tmp_path_factory.mktemp("trained"), Recorded()
    settings = small_settings(loss={"cross_entropy": 1, "dice": 0.5}, warmup=0.5)
    context = TrainingContext(dataset=tiny_dataset, folder=folder, progress=progress)
    result = train(small_model(), settings, context)
    return folder, result, progress


@pytest.fixture
def context(tmp_path, tiny_dataset):
    return TrainingContext(dataset=tiny_dataset, folder=tmp_path)


def test_history_has_a_row_per_epoch(trained):
    folder, result, _ = trained
    rows = read_history(folder)
    assert list(rows[0]) == [
        "epoch",
        "loss",
        "cross_entropy",
        "dice",
        "val_loss",
        "val_miou",
        "val_pixel_accuracy",
        "learning_rate",
        "seconds",
    ]
    assert [row["epoch"] for row in rows] == ["1", "2"]
    for row in rows:
        parts = float(row["cross_entropy"]) + 0.5 * float(row["dice"])
        assert float(row["loss"]) == pytest.approx(parts, rel=1e-4)
    # 6 steps in all: the warm-up ends with the first epoch, the cosine with the second.
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == pytest.approx([0.01, 0], abs=1e-8)
    assert max(float(row["val_miou"]) for row in rows) == result.best_val_miou


def test_result_counts_what_was_done(trained):
    folder, result, _ = trained
    rows = read_history(folder)
    seconds = sum(float(row["seconds"]) for row in rows)
    assert result.seconds == pytest.approx(seconds, abs=0.06)
    assert (result.epochs, result.tiles) == (2, 24)
    assert set(asdict(result)) == {
        "epochs",
        "best_epoch",
        "best_val_miou",
        "best_val_loss",
        "seconds",
        "tiles",
        "teacher_seconds",
    }


def test_reports_its_progress(trained):
    calls = trained[2].calls
    assert calls[0] == ("start", "training", 6)
    assert calls[-1] == ("finish",)
    assert [call for call in calls if call[0] == "advance"] == [
        *[("advance", 1, "loss")] * 3,
        *[("advance", 1, "loss", "best mIoU")] * 3,
    ]


def test_learns(tmp_path, context):
    settings = small_settings(epochs=4, batch_size=1, learning_rate=0.03)
    result = train(small_model(filters=8), settings, context)
    losses = [float(row["loss"]) for row in read_history(tmp_path)]
    assert losses[-1] < losses[0] / 2
    assert result.best_val_miou > 0.9


def test_saved_model_is_plain_keras(trained):
    """It opens where segshrink cannot be imported, and holds nothing of training."""
    path = trained[0] / "model.keras"
    code = (
        "import sys, keras;"
        "sys.modules['segshrink'] = None;"
        f"model = keras.saving.load_model({str(path)!r});"
        "print(model.output_shape, model.compiled)"
    )
    # The NumPy backend is imported in a tenth of the time.
    environment = os.environ | {"KERAS_BACKEND": "numpy"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert done.stdout.split("\n")[-2] == "(None, 32, 32, 3) False"
    with zipfile.ZipFile(path) as archive:
        assert b"optimizer" not in archive.read("model.weights.h5")
        assert json.loads(archive.read("config.json"))["compile_config"] == {}


def test_the_validation_loss_is_that_of_the_model(trained, tiny_dataset):
    folder, result, _ = trained
    model = keras.saving.load_model(folder / "model.keras")
    image, labels = tiny_dataset.val[0].read()
    cross_entropy = build_loss(LossSettings(dice=0), num_classes=3)
    dice = build_loss(LossSettings(cross_entropy=0, dice=0.5), num_classes=3)
    values, pixels = [], []
    for top in (0, TILE_PX):
        for left in (0, TILE_PX):
            here = np.s_[None, top : top + TILE_PX, left : left + TILE_PX]
            logits = model.predict(image[here], verbose=0)
            values.append(
                sum(float(x(labels[here], logits)) for x in (cross_entropy, dice))
            )
            pixels.append((labels[here] != 255).sum())
    expected = np.average(values, weights=pixels)
    losses = [float(row["val_loss"]) for row in read_history(folder)]
    assert losses[result.best_epoch - 1] == pytest.approx(expected, rel=1e-5)
    assert result.best_val_loss == min(losses)


def scores_from(monkeypatch, *scores, losses=None):
    """Let validation return these mean IoUs and losses in order."""
    left = iter(scores)
    losses_left = iter(losses or [1.0] * len(scores))

    def validate(self):
        confusion = ConfusionMatrix(1)
        miou = next(left)
        confusion.mean_iou = lambda: miou
        return Validation(confusion, next(losses_left))

    monkeypatch.setattr(Validator, "__call__", validate)


class WeightsPerEpoch(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())


def test_stops_without_patience_and_keeps_the_best(tmp_path, context, monkeypatch):
    scores_from(monkeypatch, 0.2, 0.6, 0.6, 0.1)
    seen = WeightsPerEpoch()
    settings = small_settings(epochs=9, patience=2, tiles_per_epoch=4)
    result = train(small_model(), settings, context, callbacks=[seen])
    # Epoch 3 is as good and not better, epoch 4 is worse: two in a row.
    assert (result.epochs, result.best_epoch, result.best_val_miou) == (4, 2, 0.6)
    assert len(read_history(tmp_path)) == 4
    for saved, at_best in zip(
        weights_of(tmp_path / "model.keras"), seen.weights[1], strict=True
    ):
        np.testing.assert_array_equal(saved, at_best)


def test_validates_now_and_then_and_at_the_end(tmp_path, context, monkeypatch):
    scores_from(monkeypatch, 0.5, 0.6, 0.4)
    settings = small_settings(epochs=5, validate_every=2, tiles_per_epoch=4)
    result = train(small_model(), settings, context)
    mious = [row["val_miou"] for row in read_history(tmp_path)]
    assert mious == ["", "0.5", "", "0.6", "0.4"]
    assert result.best_epoch == 4


def test_patience_ends_only_where_it_was_validated(context, monkeypatch):
    scores_from(monkeypatch, 0.5, 0.4)
    settings = small_settings(epochs=9, validate_every=3, patience=1, tiles_per_epoch=4)
    result = train(small_model(), settings, context)
    # Epochs 4 and 5 had no chance to be better.
    assert (result.epochs, result.best_epoch) == (6, 3)


def test_the_best_is_chosen_from_an_epoch_on(context, monkeypatch):
    scores_from(monkeypatch, 0.9, 0.2, 0.4, 0.3)
    result = train(
        small_model(),
        small_settings(epochs=4, patience=2),
        context,
        choose_from=3,
    )
    assert result.best_epoch == 3
    assert result.best_val_miou == 0.4


def test_the_least_validation_loss_need_not_be_of_the_best_epoch(
    tmp_path, context, monkeypatch
):
    scores_from(monkeypatch, 0.5, 0.6, 0.4, losses=[0.9, float("nan"), 0.3])
    settings = small_settings(epochs=6, validate_every=2, tiles_per_epoch=4)
    result = train(small_model(), settings, context)
    losses = [row["val_loss"] for row in read_history(tmp_path)]
    assert losses == ["", "0.9", "", "nan", "", "0.3"]
    assert (result.best_epoch, result.best_val_loss) == (4, 0.3)


class OwnLoss(keras.Model):
    """A trainee that computes its own loss."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.built = True

    def call(self, inputs, training=None):
        return self.model(inputs, training=training)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        return keras.ops.mean(keras.ops.square(y_pred))


def test_without_a_loss_on_labels_there_is_no_column(tmp_path, context):
    model = small_model()
    settings = small_settings(epochs=1, tiles_per_epoch=4)
    result = fit(OwnLoss(model), settings, context, Objective(model=model))
    [row] = read_history(tmp_path)
    assert "val_loss" not in row and float(row["val_miou"]) == result.best_val_miou
    assert result.best_val_loss is None


class Spoil(keras.callbacks.Callback):
    """Makes the weights NaN before or after a step of the second epoch."""

    def __init__(self, moment):
        super().__init__()
        self.moment, self.epoch = moment, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        self._spoil("before", batch)

    def on_train_batch_end(self, batch, logs=None):
        self._spoil("after", batch)

    def _spoil(self, moment, batch):
        if (self.moment, self.epoch, batch) == (moment, 1, 2):
            kernel = self.model.get_layer("logits").kernel
            kernel.assign(kernel * float("nan"))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (
            "before",
            "The loss became nan in epoch 2, step 3. Lower learning_rate (now 0."
            "01) or raise warmup (now 0.05), and train into another folder than ",
        ),
        (
            "after",
            "The weight logits/kernel is not finite in epoch 2. Lower lear",
        ),
    ],
)
def test_stops_when_numbers_end(tmp_path, context, moment, text):
    with pytest.raises(TrainingError) as caught:
        train(
            small_model(),
            small_settings(),
            context,
            callbacks=[Spoil(moment)],
        )
    assert str(caught.value).startswith(text)
    assert not (tmp_path / "model.keras").exists()
    # What was good is kept, and nothing else.
    assert len(read_history(tmp_path)) == 1
    with np.load(state_path(tmp_path)) as state:
        values = [state[name] for name in state.files if name != "facts"]
    assert all(np.isfinite(value).all() for value in values)


def test_weight_decay_spares_scales_and_offsets(context):
    """With a loss that has no gradient, what changes is decay alone."""
    model = small_model()
    # A layer's name must not count as the name of its weights.
    model.get_layer("first").name = "beta"
    for weight in model.trainable_weights:
        weight.assign(np.ones(weight.shape))
    rates = RatePerStep()
    settings = small_settings(epochs=1, weight_decay=0.5, warmup=0)
    fit(
        model,
        settings,
        context,
        Objective(loss=NoGradient()),
        callbacks=[rates],
    )
    shrunk = np.prod([1 - 0.5 * rate for rate in rates.rates])
    assert len(rates.rates) == 3
    for weight in model.trainable_weights:
        expected = shrunk if weight.name == "kernel" else 1.0
        np.testing.assert_allclose(weight, expected, rtol=1e-5, err_msg=weight.path)


class NoGradient(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return 0.0 * keras.ops.mean(y_pred)


class RatePerStep(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.rates = []

    def on_train_batch_begin(self, batch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))


def test_balanced_weights_cope_with_an_absent_class(draw_dataset):
    dataset = draw_dataset(absent=1)
    loss = supervised_loss(LossSettings(dice=0, class_weights="balanced"), dataset)
    grass, water, road = loss.class_weights
    assert water == 0
    counts = np.zeros(3)
    for image in dataset.train:
        counts += image.count_classes(3)
    share = counts / counts.sum()
    assert grass / road == pytest.approx((share[2] / share[0]) ** 0.5)
    logits = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype("float32")
    assert np.isfinite(float(loss(dataset.train[0].read()[1][None], logits)))


def test_given_class_weights_reach_the_loss(tiny_dataset):
    settings = LossSettings(dice=0, class_weights=(1.0, 2.0, 0.5))
    loss = supervised_loss(settings, tiny_dataset)
    assert loss.class_weights == (1.0, 2.0, 0.5)
    plain = build_loss(LossSettings(dice=0), num_classes=3)
    assert plain.class_weights is None


def test_class_weights_of_the_wrong_length(tmp_path, context):
    settings = small_settings(loss={"class_weights": [1, 2]})
    with pytest.raises(RecipeError) as caught:
        train(small_model(), settings, context)
    assert str(caught.value) == (
        "loss.class_weights: must hold one factor for each of the 3 classes of drawn "
        "(grass, water, road), got 2."
    )
    assert list(tmp_path.iterdir()) == []
