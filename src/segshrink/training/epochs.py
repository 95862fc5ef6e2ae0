"""Work during and after each epoch: progress, validation, checkpoint, early stop."""

import math
import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from segshrink.errors import TrainingError
from segshrink.models import save_model
from segshrink.recipe import TrainingSettings
from segshrink.training.checkpoint import (
    TrainingState,
    best_path,
    discard_other_models,
    save_state,
)
from segshrink.training.context import TrainingContext
from segshrink.training.history import HistoryRow, write_history
from segshrink.training.on_device import DeviceTrainee
from segshrink.training.validation import Validator

_SECONDS_BETWEEN_LOSSES = 0.2


class EpochKeeper(keras.callbacks.Callback):
    """Keeps a run's history, its best model and the state to resume from.

    Args:
        model: the plain model that is validated and saved; Keras knows the model that
            is trained as `self.model`, which may be another one.
        settings: `patience`, `validate_every` and `epochs` are used.
        context: its folder is written to, its progress receives every step.
        validate: judges the model on the validation part.
        state: state of the run so far, which is kept up to date.
        variables: all variables that training changes, which are kept with the state.
        choose_from: 1-based epoch before which no model is the best.
    """

    def __init__(
        self,
        model: keras.Model,
        settings: TrainingSettings,
        context: TrainingContext,
        *,
        validate: Validator,
        state: TrainingState,
        variables: list[keras.Variable],
        choose_from: int = 1,
    ) -> None:
        super().__init__()
        self.plain = model
        self.settings = settings
        self.context = context
        self._validate = validate
        self.state = state
        self._variables = variables
        self._choose_from = choose_from
        self._began = 0.0
        self._read_loss = 0.0

    @property
    def best_val_loss(self) -> float | None:
        """Least validation loss of all epochs; None if none is known."""
        losses = [row.get("val_loss") for row in self.state.history]
        known = [x for x in losses if x is not None and math.isfinite(x)]
        return min(known, default=None)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or none of the last `patience` was better."""
        epoch = len(self.state.history)
        return epoch >= self.settings.epochs or self._out_of_patience(epoch)

    def _out_of_patience(self, epoch: int) -> bool:
        patience = self.settings.patience
        if patience is None or not self.state.history:
            return False
        # Epochs that were not validated had no chance to be better.
        validated = self.state.history[-1]["val_miou"] is not None
        since = max(self.state.best_epoch, self._choose_from - 1)
        return validated and epoch - since >= patience

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Start the epoch's clock."""
        self._began = time.perf_counter()
        if keras.backend.backend() == "torch":
            # Dropout draws from PyTorch's own generator, which no checkpoint holds.
            import torch

            torch.manual_seed(self.context.seed * 100_003 + len(self.state.history))

    def on_train_batch_end(
        self, batch: int, logs: Mapping[str, Any] | None = None
    ) -> None:
        """Count the step; raise if the loss is not a finite number."""
        now = time.perf_counter()
        if self._waits and now - self._read_loss < _SECONDS_BETWEEN_LOSSES:
            self.context.progress.advance(1)
            return
        self._read_loss = now
        loss = float((logs or {})["loss"])
        if not math.isfinite(loss):
            raise self._diverged(f"The loss became {loss}", f", step {batch + 1}")
        best = self.state.best_miou
        miou = {} if best is None else {"best mIoU": best}
        self.context.progress.advance(1, loss=loss, **miou)

    @property
    def _waits(self) -> bool:
        # To read a loss is to wait for its step, and a device that is waited for after
        # each step idles while the next one is prepared.
        return isinstance(self.model, DeviceTrainee)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Validate, save the model if it is the best, write history and state."""
        seconds = time.perf_counter() - self._began
        self._require_finite_weights()
        losses = {name: float(value) for name, value in (logs or {}).items()}
        # Keras sorts losses by name; here the sum comes before its parts.
        row: HistoryRow = {"epoch": epoch + 1, "loss": losses["loss"]}
        row |= losses
        row |= self._validated(epoch + 1)
        row |= {"learning_rate": self._learning_rate(), "seconds": round(seconds, 3)}
        self.state.history.append(row)
        self._save()
        if self.finished:
            self.model.stop_training = True

    def _require_finite_weights(self) -> None:
        # The last step of an epoch can spoil the weights after its loss was computed,
        # and a run that resumes from such weights could never recover.
        for weight in self.plain.weights:
            if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
                raise self._diverged(f"The weight {weight.path} is not finite")

    def _diverged(self, fault: str, step: str = "") -> TrainingError:
        epoch = len(self.state.history) + 1
        return TrainingError(
            f"{fault} in epoch {epoch}{step}. Lower learning_rate (now "
            f"{self.settings.learning_rate:g}) or raise warmup (now "
            f"{self.settings.warmup:g}), and train into another folder than "
            f"{self.context.folder}, which keeps the epochs before this one."
        )

    def _validated(self, epoch: int) -> HistoryRow:
        """Columns of the validation; saves the model if it is the best."""
        last = epoch == self.settings.epochs
        if epoch % self.settings.validate_every and not last:
            return self._columns(None, None, None)
        validation = self._validate()
        miou = validation.confusion.mean_iou()
        is_best = self.state.best_miou is None or miou > self.state.best_miou
        if epoch >= self._choose_from and is_best:
            self.state.best_miou, self.state.best_epoch = miou, epoch
            path = best_path(self.context.folder, epoch)
            save_model(self.plain, path, bands=self.context.dataset.train.bands)
        accuracy = validation.confusion.pixel_accuracy
        return self._columns(validation.loss, miou, accuracy)

    def _columns(
        self, loss: float | None, miou: float | None, accuracy: float | None
    ) -> HistoryRow:
        losses = {} if self._validate.loss is None else {"val_loss": loss}
        return losses | {"val_miou": miou, "val_pixel_accuracy": accuracy}

    def _learning_rate(self) -> float:
        return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def _save(self) -> None:
        folder = self.context.folder
        write_history(folder, self.state.history)
        save_state(folder, self._variables, self.state)
        discard_other_models(folder, self.state.best_epoch)


def run_variables(model: keras.Model, trainee: keras.Model) -> list[keras.Variable]:
    """All variables that training changes: of both models and of the optimizer."""
    ours = {id(variable) for variable in model.variables}
    counters = {id(v) for metric in trainee.metrics for v in metric.variables}
    others = [
        variable
        for variable in trainee.variables
        if id(variable) not in ours | counters
    ]
    return [*model.variables, *others, *trainee.optimizer.variables]
