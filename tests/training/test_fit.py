"""fit(): the optimizer, and trainees that compute their own loss."""

import keras
import numpy as np
import pytest

from segshrink.errors import ModelError
from segshrink.training import Objective, fit

from .runs import (
    read_history,
    small_model,
    small_settings,
)


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


def test_a_model_without_weights_to_train_is_refused(tmp_path, context):
    model = small_model()
    model.trainable = False
    with pytest.raises(ModelError, match="all of its layers are frozen"):
        fit(model, small_settings(epochs=1), context, Objective(loss=NoGradient()))
    assert not list(tmp_path.iterdir())
