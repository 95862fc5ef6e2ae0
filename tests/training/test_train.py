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

from segshrink.errors import RecipeError
from segshrink.objectives import build_loss
from segshrink.progress import SilentProgress
from segshrink.recipe import LossSettings
from segshrink.training import TrainingContext, train
from segshrink.training.train import supervised_loss

from .runs import (
    TILE_PX,
    read_history,
    small_model,
    small_settings,
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
    assert (result.epochs, result.tiles, result.steps) == (2, 24, 6)
    assert set(asdict(result)) == {
        "epochs",
        "best_epoch",
        "best_val_miou",
        "best_val_loss",
        "seconds",
        "tiles",
        "steps",
        "steps_to_90_percent",
        "teacher_seconds",
    }


def test_reports_its_progress(trained):
    calls = trained[2].calls
    assert calls[0] == ("start", "training", 6)
    assert calls[-1] == ("finish",)
    assert [call for call in calls if call[0] == "advance"] == [
        ("advance", 0, "step"),
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
