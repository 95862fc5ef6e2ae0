"""Supervised training of one model."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from segshrink.data import Dataset, class_frequencies
from segshrink.errors import RecipeError
from segshrink.objectives import balanced_class_weights, build_loss
from segshrink.progress import Progress
from segshrink.recipe import LossSettings, TrainingSettings
from segshrink.training.fit import TrainingResult, fit


def train(
    model: keras.Model,
    dataset: Dataset,
    settings: TrainingSettings,
    folder: Path,
    *,
    tile_px: int,
    seed: int = 0,
    choose_from: int = 1,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    progress: Progress | None = None,
    label: str = "teacher",
) -> TrainingResult:
    """Train `model` on the data set's labels; see `fit` for folder and resuming.

    Args:
        model: images `(batch, tile_px, tile_px, 3)`, RGB 0-255, to logits
            `(batch, tile_px, tile_px, classes)`.
        dataset: data to train and validate on.
        settings: epochs, losses, augmentation and so on.
        folder: where to write.
        tile_px: height and width of the training tiles in pixels.
        seed: of tiles and augmentation.
        choose_from: 1-based epoch before which no model is the best.
        callbacks: run before each validation, such as `MagnitudePruning`.
        progress: told of every step.
        label: name of the work in the progress display.

    Returns:
        Facts of the training.

    Raises:
        TrainingError: if the loss is not a number.
        RecipeError: if there is not one class weight for each class.
        RunFolderError: if `folder` holds the checkpoint of another training.
    """
    return fit(
        model,
        dataset,
        settings,
        folder,
        tile_px=tile_px,
        seed=seed,
        loss=supervised_loss(settings.loss, dataset),
        choose_from=choose_from,
        callbacks=callbacks,
        progress=progress,
        label=label,
    )


def supervised_loss(settings: LossSettings, dataset: Dataset) -> keras.losses.Loss:
    """The loss on labels that `settings` describes, with class weights resolved.

    Raises:
        RecipeError: if there is not one class weight for each class.
    """
    weights: np.ndarray | None = None
    if settings.class_weights == "balanced":
        weights = balanced_class_weights(class_frequencies(dataset.train))
    elif settings.class_weights is not None:
        _require_one_each(settings.class_weights, dataset)
    return build_loss(
        settings, num_classes=dataset.classes.num_classes, class_weights=weights
    )


def _require_one_each(weights: Sequence[float], dataset: Dataset) -> None:
    names = dataset.classes.names
    if len(weights) != len(names):
        raise RecipeError(
            f"loss.class_weights: must hold one factor for each of the {len(names)} "
            f"classes of {dataset.name} ({', '.join(names)}), got {len(weights)}."
        )
