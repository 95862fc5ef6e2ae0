"""Train a student with a teacher, start to end."""

import hashlib
from pathlib import Path

import keras

from segshrink.data import Dataset
from segshrink.distillation.distiller import Distiller
from segshrink.distillation.pixel_kl import PixelKL
from segshrink.progress import Progress
from segshrink.recipe import DistillationSettings, TrainingSettings
from segshrink.training import TrainingResult, fit
from segshrink.training.train import supervised_loss


def distill(
    student: keras.Model,
    teacher: keras.Model,
    dataset: Dataset,
    settings: TrainingSettings,
    distillation: DistillationSettings,
    folder: Path,
    *,
    tile_px: int,
    seed: int = 0,
    progress: Progress | None = None,
    label: str = "student",
) -> TrainingResult:
    """Train `student` on labels and on the logits of `teacher`.

    Args:
        student: plain model, trained in place; its best state is saved.
        teacher: trained model with the same input and output shape.
        dataset: data to train and validate on.
        settings: epochs, losses, augmentation and so on.
        distillation: temperature and weight of the teacher's part.
        folder: where to write `model.keras` and `history.csv`; resumes as `fit` does.
        tile_px: height and width of the training tiles in pixels.
        seed: of tiles and augmentation.
        progress: told of every step.
        label: name of the work in the progress display.

    Returns:
        Facts of the training.

    Raises:
        ValueError: if the models do not fit together.
        TrainingError: if the loss is not a number.
        RunFolderError: if `folder` holds the checkpoint of another training.
    """
    distiller = Distiller(
        student,
        teacher,
        supervised=supervised_loss(settings.loss, dataset),
        distillation=PixelKL(distillation.temperature),
        weight=distillation.weight,
    )
    return fit(
        distiller,
        dataset,
        settings,
        folder,
        tile_px=tile_px,
        seed=seed,
        model=student,
        also_fixed={
            "distillation": distillation.model_dump(mode="json"),
            "teacher": _digest(teacher),
        },
        progress=progress,
        label=label,
    )


def _digest(model: keras.Model) -> str:
    """A fingerprint of the model's weights."""
    digest = hashlib.sha256()
    for values in model.get_weights():
        digest.update(values.tobytes())
    return digest.hexdigest()
