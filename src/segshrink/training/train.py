"""Supervised training of one model."""

from collections.abc import Sequence

import keras
import numpy as np

from segshrink.data import Dataset, class_frequencies
from segshrink.errors import RecipeError
from segshrink.objectives import balanced_class_weights, build_loss
from segshrink.recipe import LossSettings, TrainingSettings
from segshrink.training.context import TrainingContext
from segshrink.training.fit import Objective, TrainingResult, fit


def train(
    model: keras.Model,
    settings: TrainingSettings,
    context: TrainingContext,
    *,
    choose_from: int = 1,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> TrainingResult:
    """Train `model` on the labels of a data set; see `fit` for files and resuming.

    Args:
        model: images `(batch, tile, tile, 3)`, RGB 0-255, to logits
            `(batch, tile, tile, classes)`.
        settings: epochs, losses, augmentation and so on.
        context: data, folder, seed and progress.
        choose_from: 1-based epoch before which no model is the best.
        callbacks: run before each validation, such as `MagnitudePruning`.

    Returns:
        The epoch that was chosen, its quality, and the work that was done.

    Raises:
        ModelError: if the model does not take square tiles of one size.
        TrainingError: if the loss is not a number.
        RecipeError: if the number of class weights is not the number of classes.
        RunFolderError: if the folder holds the checkpoint of another training run.
    """
    return fit(
        model,
        settings,
        context,
        Objective(loss=supervised_loss(settings.loss, context.dataset)),
        choose_from=choose_from,
        callbacks=callbacks,
    )


def supervised_loss(settings: LossSettings, dataset: Dataset) -> keras.losses.Loss:
    """Loss on labels that `settings` describes, with its class weights.

    Raises:
        RecipeError: if the number of class weights is not the number of classes.
    """
    weights: np.ndarray | None = None
    if settings.class_weights == "balanced":
        weights = balanced_class_weights(class_frequencies(dataset.train))
    elif settings.class_weights is not None:
        _require_one_per_class(settings.class_weights, dataset)
    return build_loss(
        settings, num_classes=dataset.classes.num_classes, class_weights=weights
    )


def _require_one_per_class(weights: Sequence[float], dataset: Dataset) -> None:
    names = dataset.classes.names
    if len(weights) != len(names):
        raise RecipeError(
            f"loss.class_weights: must hold one factor for each of the {len(names)} "
            f"classes of {dataset.name} ({', '.join(names)}), got {len(weights)}."
        )
