"""Small models and ways to disturb their training."""

from pathlib import Path

import keras
import numpy as np

from segshrink.models import build_model
from segshrink.progress import SilentProgress
from segshrink.recipe import TrainingSettings

TILE_PX = 32


def small_unet(seed: int = 0, dropout: float = 0.3) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return build_model(
        "unet",
        num_classes=3,
        input_shape=(TILE_PX, TILE_PX, 3),
        base_filters=4,
        levels=2,
        dropout=dropout,
    )


def small_settings(**changes: object) -> TrainingSettings:
    """Three steps an epoch on `tiny_dataset`, augmentation on."""
    values = {"epochs": 2, "batch_size": 4, "learning_rate": 0.01} | changes
    return TrainingSettings.model_validate(values)


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
