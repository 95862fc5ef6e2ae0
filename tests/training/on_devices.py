"""Trains on one and on two virtual devices; prints what a test compares.

It is run in a process of its own: JAX learns the number of devices when it starts.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np

from segshrink.data import open_dataset
from segshrink.distillation import distill
from segshrink.progress import SilentProgress
from segshrink.recipe import DistillationSettings, TrainingSettings
from segshrink.training import TrainingContext, train

OUT = Path(sys.argv[1])
DATASET = open_dataset("synthetic", scenes=6, scene_px=64)


class Stopped(Exception):
    pass


class Said(SilentProgress):
    """Keeps what is said, and stops after some steps."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.lines: list[str] = []
        self.left = stop_after

    def say(self, text: str) -> None:
        self.lines.append(text)

    def advance(self, steps: int = 1, **facts: float | str) -> None:
        if self.left is not None:
            self.left -= steps
            if self.left < 0:
                raise Stopped


def network(seed: int, filters: int = 4) -> keras.Model:
    """Two convolutions with batch normalization and dropout between them."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    images = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 255)(images)
    # With a bias, whose gradient is nothing but rounding, Adam would walk at random.
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.2)(layers.ReLU()(x))
    logits = layers.Conv2D(DATASET.classes.num_classes, 1, name="logits")
    return keras.Model(images, logits(x))


def trained(name: str, devices: int, kind: str, stop_after: int | None = None) -> dict:
    """Losses and weights of a run of `kind` in the folder `name`."""
    settings = TrainingSettings(
        epochs=2,
        batch_size=4,
        tiles_per_epoch=12,
        tiles_on="device" if kind == "device" else "host",
    )
    model, said = network(0), Said(stop_after)
    context = TrainingContext(
        dataset=DATASET, folder=OUT / name, devices=devices, progress=said
    )
    try:
        if kind in ("host", "device"):
            train(model, settings, context)
        else:
            teacher = network(1, 6)
            chosen = DistillationSettings(cache=kind == "cached")
            distill(model, teacher, settings, chosen, context)
    except Stopped:
        return {}
    lines = (OUT / name / "history.csv").read_text().splitlines()
    names = lines[0].split(",")
    columns = [i for i, column in enumerate(names) if column != "seconds"]
    return {
        "said": said.lines,
        "history": [[float(line.split(",")[i]) for i in columns] for line in lines[1:]],
        "weights": [np.asarray(x).ravel().tolist() for x in model.get_weights()],
        "saved": [
            np.asarray(x).ravel().tolist()
            for x in keras.saving.load_model(OUT / name / "model.keras").get_weights()
        ],
        # Afterwards the model works as any other.
        "logits": float(np.abs(model(np.ones((1, 32, 32, 3)))).mean()),
    }


def main() -> None:
    """Print, by kind and number of devices, what each run gave."""
    results = {
        kind: {str(n): trained(f"{kind}-{n}", n, kind) for n in (1, 2)}
        for kind in ("host", "device", "live", "cached")
    }
    trained("resumed", 1, "host", stop_after=4)
    results["host"]["resumed"] = trained("resumed", 2, "host")
    (OUT / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
