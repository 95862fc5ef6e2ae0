"""Small models and ways to disturb their training."""

from pathlib import Path

import keras
import numpy as np

from segshrink.progress import SilentProgress
from segshrink.recipe import TrainingSettings

TILE_PX = 32


def small_model(seed: int = 0, filters: int = 4) -> keras.Model:
    """Two convolutions with batch normalization and dropout between them."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    images = keras.Input((TILE_PX, TILE_PX, 3))
    x = layers.Rescaling(1 / 255)(images)
    x = layers.Conv2D(filters, 3, padding="same", activation="relu", name="first")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dropout(0.3, name="dropout")(x)
    return keras.Model(images, layers.Conv2D(3, 1, name="logits")(x), name="small")


def small_settings(**changes: object) -> TrainingSettings:
    """Three steps an epoch on `tiny_dataset`, augmentation on."""
    values: dict[str, object] = {
        "epochs": 2,
        "batch_size": 4,
        "tiles_per_epoch": None,
        "learning_rate": 0.01,
        "loss": {"dice": 0},
    }
    return TrainingSettings.model_validate(values | changes)


def read_history(folder: Path) -> list[dict[str, str]]:
    header, *lines = (folder / "history.csv").read_text().splitlines()
    names = header.split(",")
    return [dict(zip(names, line.split(","), strict=True)) for line in lines]


def weights_of(path: Path) -> list[np.ndarray]:
    return keras.saving.load_model(path).get_weights()


class Interrupted(Exception):
    """Stands for a kill, which no code of ours can catch."""


class KillAfter(SilentProgress):
    """Ends the training in the middle of the given step, counted from 0."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, steps: int = 1, **facts: float | str) -> None:
        self.left -= steps
        if self.left < 0:
            raise Interrupted
