"""The best epoch, the end of a run, and weights that diverge."""

import keras
import numpy as np
import pytest

from segshrink.errors import TrainingError
from segshrink.metrics import ConfusionMatrix
from segshrink.training import train
from segshrink.training.checkpoint import state_path
from segshrink.training.validation import Validation, Validator

from .runs import (
    read_history,
    small_model,
    small_settings,
    weights_of,
)


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
    # Of one step each; 0.5 is less than 90 % of 0.6.
    assert (result.steps, result.steps_to_90_percent) == (5, 4)


def test_most_is_learned_in_the_first_epoch_with_most_of_the_best(context, monkeypatch):
    scores_from(monkeypatch, 0.2, 0.55, 0.5, 0.6)
    result = train(small_model(), small_settings(epochs=4), context)
    # Of three steps each.
    assert result.best_epoch == 4
    assert (result.steps, result.steps_to_90_percent) == (12, 6)


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
