"""Trains on JAX and prints the bytes that travel to the device, a line for each step.

Nothing else may travel: JAX refuses it. Nor may packages be imported that a machine
with an accelerator may lack.

    KERAS_BACKEND=jax python transfers.py host|device FOLDER
"""

import importlib.abc
import sys
from pathlib import Path

ABSENT = ("tensorflow", "torch", "ai_edge_litert", "matplotlib", "sklearn", "pandas")


class Absent(importlib.abc.MetaPathFinder):
    """Finds that some packages are not installed."""

    def find_spec(self, name, path=None, target=None):
        """Refuse them; others are found elsewhere."""
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Absent())

import jax  # noqa: E402
import keras  # noqa: E402

import segshrink.distillation  # noqa: E402, F401
from segshrink.data import open_dataset  # noqa: E402
from segshrink.models import build_model  # noqa: E402
from segshrink.recipe import TrainingSettings  # noqa: E402
from segshrink.training import TrainingContext, train  # noqa: E402

make_train_function = keras.Model.make_train_function


def make_watched_function(model: keras.Model, force: bool = False) -> None:
    make_train_function(model, force)
    step = model.train_function

    def watched(state, batches):
        batch = next(batches)
        print(sum(leaf.nbytes for leaf in jax.tree.leaves(batch)))
        batch = jax.device_put(batch)
        with jax.transfer_guard("disallow"):
            return step(state, iter([batch]))

    model.train_function = watched


def main(place: str, folder: Path) -> None:
    dataset = open_dataset("synthetic", scenes=3, scene_px=64)
    model = build_model(
        "unet",
        num_classes=dataset.classes.num_classes,
        input_shape=(32, 32, 3),
        base_filters=4,
        levels=1,
    )
    settings = TrainingSettings(
        epochs=2, tiles_per_epoch=16, batch_size=4, tiles_on=place
    )
    keras.Model.make_train_function = make_watched_function
    train(model, settings, TrainingContext(dataset=dataset, folder=folder))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
