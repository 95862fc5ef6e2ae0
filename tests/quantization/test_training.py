"""Quantization-aware training."""

import csv
import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from quantization.networks import scaled_channels, two_convolutions
from segshrink.data import plain_tiles
from segshrink.errors import TrainingError
from segshrink.models import copy_model, load_model
from segshrink.objectives import CrossEntropy
from segshrink.progress import SilentProgress
from segshrink.quantization import FakeQuantizedModel, observed_ranges
from segshrink.quantization.training import (
    _RangeKeeper,
    finetuning_settings,
    train_quantized,
)
from segshrink.recipe import LossSettings, TrainingSettings
from segshrink.training import TrainingContext, train

SETTINGS = TrainingSettings(
    epochs=6, tiles_per_epoch=24, batch_size=4, learning_rate=0.01
)


@pytest.fixture(scope="module")
def trained(tiny_dataset, images, tmp_path_factory):
    """A model that has learnt, and that int8 hurts."""
    tiles, _ = images
    keras.utils.set_random_seed(0)
    model = two_convolutions()
    folder = tmp_path_factory.mktemp("float")
    train(model, SETTINGS, TrainingContext(dataset=tiny_dataset, folder=folder))
    for spread in (500.0, 700.0, 1000.0, 1400.0, 2000.0):
        hurt = scaled_channels(load_model(folder / "model.keras"), spread)
        expected = hurt.predict(tiles.astype(np.float32), verbose=0).argmax(-1)
        if agreement(hurt, observed_ranges(hurt, tiles), expected, tiles) < 0.85:
            return hurt
    raise AssertionError("int8 hurts none of the models")


@pytest.fixture(scope="module")
def images(tiny_dataset):
    return plain_tiles(tiny_dataset.train, 32, 16)


def agreement(model, ranges, expected, images):
    floats = images.astype(np.float32)
    found = FakeQuantizedModel(model, ranges).model.predict(floats, verbose=0)
    return (found.argmax(-1) == expected).mean()


def test_the_int8_model_is_better_and_the_saved_one_plain(
    trained, images, tiny_dataset, tmp_path
):
    tiles, _ = images
    expected = trained.predict(tiles.astype(np.float32), verbose=0).argmax(-1)
    ranges = observed_ranges(trained, tiles)
    before = agreement(trained, ranges, expected, tiles)
    model = copy_model(trained)
    settings = SETTINGS.model_copy(update={"learning_rate": 0.003, "epochs": 12})
    context = TrainingContext(dataset=tiny_dataset, folder=tmp_path)
    result, found = train_quantized(model, ranges, settings, context)
    saved = keras.models.load_model(tmp_path / "model.keras")
    assert [x.name for x in saved.layers] == [x.name for x in trained.layers]
    assert [v.path for v in saved.variables] == [v.path for v in trained.variables]
    after = agreement(saved, found, expected, tiles)
    assert before < 0.85 and 1 - after < 0.5 * (1 - before)
    assert json.loads((tmp_path / "ranges.json").read_text()) == {
        path: list(ends) for path, ends in found.items()
    }
    assert result.epochs == 12
    moved = [path for path in found if found[path] != pytest.approx(ranges[path])]
    assert "relu" in moved
    norm = saved.get_layer("norm")
    for name in ("moving_mean", "moving_variance"):
        np.testing.assert_array_equal(
            getattr(norm, name), getattr(trained.get_layer("norm"), name)
        )


def test_the_validation_loss_is_that_of_the_fake_quantized_model(
    trained, images, tiny_dataset, tmp_path
):
    ranges = observed_ranges(trained, images[0])
    loss = {"loss": LossSettings(dice=0)}
    settings = finetuning_settings(SETTINGS, 2).model_copy(update=loss)
    context = TrainingContext(dataset=tiny_dataset, folder=tmp_path)
    result, found = train_quantized(copy_model(trained), ranges, settings, context)
    saved = load_model(tmp_path / "model.keras")
    image, labels = tiny_dataset.val[0].read()
    tiles, expected = (
        np.stack([x[:32, :32], x[:32, 32:], x[32:, :32], x[32:, 32:]])
        for x in (image.astype(np.float32), labels)
    )
    in_float, of_quantized = (
        float(CrossEntropy()(expected, model.predict(tiles, verbose=0)))
        for model in (saved, FakeQuantizedModel(saved, found).model)
    )
    with (tmp_path / "history.csv").open(newline="") as file:
        losses = [float(row["val_loss"]) for row in csv.DictReader(file)]
    assert losses[result.best_epoch - 1] == pytest.approx(of_quantized, rel=1e-4)
    assert losses[result.best_epoch - 1] != pytest.approx(in_float, rel=1e-3)
    assert result.best_val_loss == min(losses)


class _Killed(Exception):
    pass


class _KillsAt(SilentProgress):
    def __init__(self, step):
        self.left = step

    def advance(self, count=1, **facts):
        self.left -= count
        if self.left < 0:
            raise _Killed


def test_a_killed_run_resumes_and_ends_the_same(
    trained, images, tiny_dataset, tmp_path
):
    ranges = observed_ranges(trained, images[0])
    settings = finetuning_settings(SETTINGS, 2)
    settings = settings.model_copy(update={"tiles_per_epoch": 8})

    def run(folder, **options):
        context = TrainingContext(dataset=tiny_dataset, folder=folder, **options)
        keras.utils.set_random_seed(5)
        return train_quantized(copy_model(trained), ranges, settings, context)

    _, whole = run(tmp_path / "whole")
    with pytest.raises(_Killed):
        run(tmp_path / "killed", progress=_KillsAt(3))
    _, found = run(tmp_path / "killed")
    assert found == whole
    expected = load_model(tmp_path / "whole" / "model.keras").get_weights()
    again = load_model(tmp_path / "killed" / "model.keras").get_weights()
    for one, other in zip(expected, again, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_finetuning_has_a_smaller_learning_rate():
    found = finetuning_settings(SETTINGS, 2)
    assert (found.epochs, found.learning_rate) == (2, pytest.approx(0.001))
    assert found.tiles_per_epoch == SETTINGS.tiles_per_epoch


def test_a_range_that_is_not_finite_ends_the_run(tmp_path):
    quantized = SimpleNamespace(ranges={"relu": (0.0, float("nan"))})
    with pytest.raises(TrainingError, match="range of relu is not finite in epoch 3"):
        _RangeKeeper(quantized, tmp_path).on_epoch_end(2)
    assert not list(tmp_path.rglob("*.json"))
