"""Training for int8: rounding in the step, the model itself as its teacher."""

from pathlib import Path
from typing import Any

import keras

from segshrink.data import Dataset
from segshrink.distillation import Distiller, build_terms
from segshrink.distillation.teacher_cache import model_digest
from segshrink.progress import Progress
from segshrink.quantization.fake_quantization import FakeQuantizedModel, Ranges
from segshrink.recipe import DistillationSettings, TrainingSettings
from segshrink.records import read_json, write_json
from segshrink.training import TrainingResult, fit, steps_per_epoch
from segshrink.training.train import supervised_loss

RANGES = "ranges.json"
# What the float model says of a pixel counts as much as its label.
_FROM_FLOAT = {"pixel_kl": 1.0}


def train_quantized(
    model: keras.Model,
    ranges: Ranges,
    dataset: Dataset,
    settings: TrainingSettings,
    folder: Path,
    *,
    tile_px: int,
    format: str = "litert",
    seed: int = 0,
    progress: Progress | None = None,
    label: str = "quantization-aware training",
) -> tuple[TrainingResult, Ranges]:
    """Train `model` for what an int8 file will make of it.

    In each step it computes as its `FakeQuantizedModel` does, and learns from the
    labels and from itself as it was, in float. The epoch is chosen by the validation
    mean IoU of the fake-quantized model. (Jacob et al., Quantization and Training of
    Neural Networks for Efficient Integer-Arithmetic-Only Inference, 2018; ranges are
    trained as in Jain et al., Trained Quantization Thresholds, 2020.)

    Args:
        model: trained Functional or Sequential model, float32; trained further in
            place.
        ranges: of its tensors, from `observed_ranges`.
        dataset: data to train and validate on.
        settings: epochs, losses and so on; a tenth of the learning rate that the model
            was trained with is a good one.
        folder: where to write `model.keras`, `ranges.json` and `history.csv`; resumes
            as `fit` does.
        tile_px: height and width of the training tiles in pixels.
        format: of the file, as for `FakeQuantizedModel`.
        seed: of tiles and augmentation.
        progress: told of every step.
        label: name of the work in the progress display.

    Returns:
        Facts of the training, and the ranges that go with the saved model.

    Raises:
        ModelError: if the model is not Functional or Sequential.
        TrainingError: if the loss is not a number.
        RunFolderError: if `folder` holds the checkpoint of another training.
    """
    as_it_was = keras.models.clone_model(model)
    as_it_was.set_weights(model.get_weights())
    twin = FakeQuantizedModel(model, ranges, format)
    steps = settings.epochs * steps_per_epoch(dataset, settings, tile_px)
    terms, _ = build_terms(
        DistillationSettings(losses=_FROM_FLOAT, temperature=1.0),
        as_it_was,
        twin.model,
        steps=steps,
    )
    supervised = supervised_loss(settings.loss, dataset)
    distiller = Distiller(
        twin.model,
        as_it_was,
        supervised=supervised,
        terms=terms,
    )
    keeper = _RangeKeeper(twin, folder)
    result = fit(
        distiller,
        dataset,
        settings,
        folder,
        tile_px=tile_px,
        seed=seed,
        model=model,
        judged=twin.model,
        validation_loss=supervised,
        also_fixed={"model": model_digest(as_it_was), "int8": format},
        callbacks=(keeper,),
        progress=progress,
        label=label,
    )
    best = keeper.by_epoch()[str(result.best_epoch)]
    found = {path: (float(low), float(high)) for path, (low, high) in best.items()}
    write_json(folder / RANGES, found)
    return result, found


class _RangeKeeper(keras.callbacks.Callback):
    """Writes the ranges of every epoch beside the checkpoint."""

    def __init__(self, twin: FakeQuantizedModel, folder: Path) -> None:
        super().__init__()
        self._twin = twin
        self._path = folder / "checkpoint" / "ranges.json"

    def by_epoch(self) -> dict[str, Any]:
        return read_json(self._path) if self._path.is_file() else {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self._path, self.by_epoch() | {str(epoch + 1): self._twin.ranges})


def settings_for(trained: TrainingSettings, epochs: int) -> TrainingSettings:
    """Settings that go on from a training: fewer epochs, a tenth of the step size."""
    return trained.model_copy(
        update={"epochs": epochs, "learning_rate": trained.learning_rate / 10}
    )
