"""Trains a model whose layer adds a loss, and prints the loss of host and of device.

KERAS_BACKEND=jax python added_losses.py FOLDER
"""

import csv
import sys
from pathlib import Path

import keras
from keras import layers

from segshrink.data import open_dataset
from segshrink.recipe import Augmentation, TrainingSettings
from segshrink.training import TrainingContext, train


def main(folder: Path) -> None:
    dataset = open_dataset("synthetic", scenes=3, scene_px=64)
    for place in ("host", "device"):
        keras.utils.set_random_seed(0)
        images = keras.Input((32, 32, 3))
        x = layers.Rescaling(1 / 255)(images)
        x = layers.Conv2D(4, 1, activity_regularizer=keras.regularizers.L2(1.0))(x)
        model = keras.Model(images, layers.Conv2D(dataset.classes.num_classes, 1)(x))
        settings = TrainingSettings(
            epochs=1,
            tiles_per_epoch=8,
            batch_size=4,
            tiles_on=place,
            augmentation=Augmentation(scale_jitter=(1, 1.2)),
        )
        out = folder / place
        train(model, settings, TrainingContext(dataset=dataset, folder=out, seed=3))
        with (out / "history.csv").open() as file:
            print(next(csv.DictReader(file))["loss"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
