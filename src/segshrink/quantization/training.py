"""Quantization-aware training, with the float model as the teacher."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from segshrink.distillation import Distiller, build_terms
from segshrink.distillation.digests import model_digest
from segshrink.errors import TrainingError
from segshrink.models import copy_model, tile_px_of
from segshrink.quantization.fake_quantization import FakeQuantizedModel, Ranges
from segshrink.recipe import DistillationSettings, TrainingSettings
from segshrink.records import read_json, write_json
from segshrink.training import (
    Objective,
    TrainingContext,
    TrainingResult,
    fit,
    settled,
    steps_per_epoch,
)
from segshrink.training.train import supervised_loss

RANGES = "ranges.json"
# The prediction of the float model counts as much as the label of a pixel.
_FROM_FLOAT = {"pixel_kl": 1.0}


def train_quantized(
    model: keras.Model,
    ranges: Ranges,
    settings: TrainingSettings,
    context: TrainingContext,
    *,
    format: str = "litert",
) -> tuple[TrainingResult, Ranges]:
    """Quantization-aware training: train `model` for what its int8 file will compute.

    In each step it computes as its `FakeQuantizedModel` does, and learns from the
    labels and from itself as it was, in float. The epoch is chosen by the validation
    mean IoU of the fake-quantized model. (Jacob et al., Quantization and Training of
    Neural Networks for Efficient Integer-Arithmetic-Only Inference, 2018; ranges are
    trained as in Jain et al., Trained Quantization Thresholds, 2020.)

    Args:
        model: trained Functional or Sequential model, float32; trained further in
            place.
        ranges: of its tensors, from `observed_ranges`.
        settings: epochs, losses and so on; a tenth of the learning rate that the model
            was trained with is a good one. The precision is always float32, since
            bfloat16 cannot tell the levels of int8 apart.
        context: data, folder, seed and progress. The folder gets `model.keras`,
            `ranges.json` and `history.csv`; a killed run resumes as `fit` does.
        format: of the file, as for `FakeQuantizedModel`.

    Returns:
        (outcome of the training run, ranges that go with the saved model).

    Raises:
        ModelError: if the model is not Functional or Sequential.
        TrainingError: if the loss is not a number.
        RunFolderError: if the folder holds the checkpoint of another training run.
    """
    settings = settings.model_copy(update={"precision": "float32"})
    float_model = copy_model(model)
    quantized = FakeQuantizedModel(model, ranges, format)
    settings = settled(settings, context, [float_model, quantized.model])
    supervised = supervised_loss(settings.loss, context.dataset)
    terms, _ = build_terms(
        DistillationSettings(losses=_FROM_FLOAT, temperature=1.0),
        float_model,
        quantized.model,
        steps=settings.epochs
        * steps_per_epoch(context.dataset, settings, tile_px_of(model)),
    )
    distiller = Distiller(
        quantized.model, float_model, supervised=supervised, terms=terms
    )
    keeper = _RangeKeeper(quantized, context.folder)
    result = fit(
        distiller,
        settings,
        context,
        Objective(model=model, judged=quantized.model, validation_loss=supervised),
        also_fixed={"model": model_digest(float_model), "int8": format},
        callbacks=(keeper,),
    )
    trained = keeper.by_epoch()[str(result.best_epoch)]
    write_json(context.folder / RANGES, trained)
    return result, trained


class _RangeKeeper(keras.callbacks.Callback):
    """Writes the ranges of every epoch beside the checkpoint."""

    def __init__(self, quantized: FakeQuantizedModel, folder: Path) -> None:
        super().__init__()
        self._quantized = quantized
        self._path = folder / "checkpoint" / "ranges.json"

    def by_epoch(self) -> dict[str, Ranges]:
        if not self._path.is_file():
            return {}
        return {
            epoch: {path: (float(low), float(high)) for path, (low, high) in of.items()}
            for epoch, of in read_json(self._path).items()
        }

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        ranges = self._quantized.ranges
        for path, ends in ranges.items():
            if not np.isfinite(ends).all():
                raise TrainingError(
                    f"The range of {path} is not finite in epoch {epoch + 1} of "
                    "quantization-aware training. Lower the learning rate."
                )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self._path, self.by_epoch() | {str(epoch + 1): ranges})


def finetuning_settings(trained: TrainingSettings, epochs: int) -> TrainingSettings:
    """Settings of further training, at a tenth of the learning rate."""
    return trained.model_copy(
        update={"epochs": epochs, "learning_rate": trained.learning_rate / 10}
    )
