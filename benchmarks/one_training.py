"""Speed of one kind of training; `training_speed.py` starts a process for each.

python benchmarks/one_training.py '{"row": "student", "seconds": 30, "batch": 8,
    "data": "synthetic"}'
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "aerial_random_patch.yaml"
_TILE_PX = 256
_WARM_SECONDS = 3.0
_BARE_SHARE = 0.2  # of the seconds, for steps on one batch that is there already


class Clock:
    """A `Progress` that stops the training when it was timed for long enough."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.created = time.perf_counter()
        self.first_step: float | None = None
        self.begin: tuple[int, float, float] | None = None
        self.end: tuple[int, float, float] | None = None
        self.busy = Busy()
        self.model = None
        self._steps = 0

    def start(self, label: str, total: int) -> None:
        """Ignore the start."""

    def finish(self) -> None:
        """Ignore the end."""

    def say(self, text: str) -> None:
        """Ignore the line."""

    def advance(self, steps: int = 1, **facts: float | str) -> None:
        """Count the step of `fit`; other work is none of the clock's."""
        # Without a loss nobody has waited for the step: the device may be behind.
        if self.model is None or self.end:
            return
        self._steps += steps
        if "loss" not in facts:
            return
        now = (self._steps, time.perf_counter(), time.process_time())
        self.first_step = self.first_step or now[1] - self.created
        if self.begin is None:
            if now[1] - self.created - self.first_step >= _WARM_SECONDS:
                self.begin = now
                self.busy.begin()
        elif now[1] - self.begin[1] >= self.seconds:
            self.end = now
            self.busy.end()
            self.model.stop_training = True

    def device_busy(self) -> float:
        """Share of the device's time: as NVIDIA counts it, or of the cores."""
        if self.busy.samples:
            return statistics.mean(self.busy.samples) / 100
        cores = len(os.sched_getaffinity(0))
        wall = self.end[1] - self.begin[1]
        return (self.end[2] - self.begin[2]) / wall / cores


class Busy:
    """Samples what `nvidia-smi` says of the first GPU, where there is one."""

    def __init__(self) -> None:
        self.samples: list[float] = []
        self._process: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        """Start sampling."""
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--id=0", "-lms", "200"]
        command += ["--format=csv,noheader,nounits"]
        try:
            self._process = subprocess.Popen(command, stdout=-1, stderr=-3, text=True)
        except FileNotFoundError:
            pass

    def end(self) -> None:
        """Stop sampling."""
        if self._process is not None:
            self._process.terminate()
            lines = self._process.communicate()[0].split()
            self.samples = [float(line) for line in lines if line.isdigit()]


def measure(choice: dict) -> dict:
    """Train as `choice` says until the clock stops it."""
    import keras

    from segshrink.errors import RunFolderError

    keras.utils.set_random_seed(0)
    clock = Clock(choice["seconds"])
    seen = observe_fit(clock, choice["batch"])
    try:
        train_row(choice, clock)
    except RunFolderError:
        pass  # It was stopped before its first validation.
    (before, begin, spent), (after, end, in_the_end) = clock.begin, clock.end
    speed, size = (after - before) / (end - begin), choice["batch"]
    bare = bare_steps_per_second(seen["model"], seen["batch"], speed, clock.seconds)
    travels = sum(leaf.nbytes for leaf in keras.tree.flatten(seen["batch"]))
    return {
        "tiles_per_second": speed * size,
        "step_share": speed / bare,
        "busy": clock.device_busy(),
        "cpu_ms_per_tile": 1e3 * (in_the_end - spent) / (after - before) / size,
        "bytes_per_tile": travels / size,
        "first_step_seconds": clock.first_step,
        "device": device_name(),
    }


def observe_fit(clock: Clock, size: int) -> dict:
    """Note the model that `fit` is called of, and a batch that it takes."""
    import keras
    import numpy as np

    seen: dict = {}
    fit = keras.Model.fit

    def observed(model, data, *labels, **options):
        if clock.model is None:
            clock.model = seen["model"] = model
            if isinstance(data, np.ndarray):
                seen["batch"] = (data[:size], labels[0][:size])
            elif isinstance(data, keras.utils.PyDataset):
                note_batches(type(data))
            else:
                first = next(iter(data))
                seen["batch"] = keras.tree.map_structure(np.asarray, first)
        return fit(model, data, *labels, **options)

    def note_batches(kind: type) -> None:
        make = kind.__getitem__

        def noted(batches, index: int):
            seen["batch"] = make(batches, index)
            return seen["batch"]

        kind.__getitem__ = noted

    keras.Model.fit = observed
    return seen


def bare_steps_per_second(model, batch, speed: float, seconds: float) -> float:
    """Steps a second on the same batch again and again, which nobody has to make."""
    import keras

    from segshrink.training import batches

    class Same(getattr(batches, "SampledBatches", keras.utils.PyDataset)):
        def __init__(self, steps: int) -> None:
            keras.utils.PyDataset.__init__(self, workers=1)
            self.steps = steps

        def __len__(self) -> int:
            return self.steps

        def __getitem__(self, index: int):
            return batch

    def fit(same: Same) -> None:
        # A checkout from before `for_fit` gives Keras the batches themselves.
        taken = same.for_fit() if hasattr(same, "for_fit") else same
        model.fit(taken, shuffle=False, verbose=0)

    steps = max(3, round(_BARE_SHARE * seconds * speed))
    model.stop_training = False
    fit(Same(3))
    began = time.perf_counter()
    fit(Same(steps))
    return steps / (time.perf_counter() - began)


def device_name() -> str:
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        device = jax.devices()[0]
        return "CPU" if device.platform == "cpu" else device.device_kind
    if backend == "torch":
        import torch

        cuda = torch.cuda.is_available()
        return torch.cuda.get_device_name(0) if cuda else "CPU"
    import tensorflow

    found = tensorflow.config.list_physical_devices("GPU")
    details = tensorflow.config.experimental.get_device_details
    return details(found[0]).get("device_name", "GPU") if found else "CPU"


def train_row(choice: dict, clock: Clock) -> None:
    """Train the model of a row, until the clock stops it."""
    from segshrink.data import open_dataset

    options = {}
    if choice["data"] == "synthetic":
        options = {"scenes": 6, "scene_px": 1024}
    dataset = open_dataset(choice["data"], **options)
    classes, row = dataset.classes.num_classes, choice["row"]
    kind = row if row in ("teacher", "unet") else "student"
    model = model_of(kind, classes, getattr(dataset.train, "num_bands", 3))
    settings = settings_of(choice, classes)
    with tempfile.TemporaryDirectory() as folder:
        where = {"dataset": dataset, "folder": Path(folder), "progress": clock}
        if row == "plain":
            plain_fit(model, settings, dataset, clock)
        elif row in ("cache", "live"):
            distilled(model, settings, where, cache=row == "cache")
        else:
            supervised(model, settings, where)


def supervised(model, settings, where: dict) -> None:
    from segshrink import training

    if hasattr(training, "TrainingContext"):
        training.train(model, settings, training.TrainingContext(**where))
    else:  # A checkout from before it.
        where = where | {"settings": settings, "tile_px": _TILE_PX}
        training.train(model, **where)


def distilled(model, settings, where: dict, *, cache: bool) -> None:
    from segshrink.distillation import distill
    from segshrink.recipe import DistillationSettings
    from segshrink.training import TrainingContext

    teacher = model_of("teacher", where["dataset"].classes.num_classes)
    asked = DistillationSettings(losses={"pixel_kl": 1.0}, cache=cache)
    distill(model, teacher, settings, asked, TrainingContext(**where))


def model_of(kind: str, classes: int, bands: int = 3):
    from segshrink.models import build_model

    name, options = {
        "teacher": ("efficientnet_lite", {"variant": 2, "weights": None}),
        "unet": ("unet", {"base_filters": 16}),
        "student": ("compact", {"width": 24, "stem_stride": 4}),
    }[kind]
    return build_model(
        name, num_classes=classes, input_shape=(_TILE_PX, _TILE_PX, bands), **options
    )


def settings_of(choice: dict, classes: int):
    from segshrink.recipe import load_recipe

    settings = load_recipe(RECIPE).student.training
    changes = {"epochs": 1000, "validate_every": 1000, "batch_size": choice["batch"]}
    if choice["batch"] > 8:
        changes["tiles_per_epoch"] = 124 * choice["batch"]
    if len(settings.loss.class_weights) != classes:
        changes["loss"] = settings.loss.model_copy(update={"class_weights": None})
    return settings.model_copy(update=changes)


def plain_fit(model, settings, dataset, clock: Clock) -> None:
    import keras

    from segshrink.data.tiles import plain_tiles

    size = settings.batch_size
    images, labels = plain_tiles(dataset.train, _TILE_PX, 31 * size)
    on_tensorflow = keras.backend.backend() == "tensorflow"
    model.compile(
        "adamw",
        # It knows no void.
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False if on_tensorflow else "auto",
    )
    read = time.perf_counter()

    def tell(step: int, logs: dict) -> None:
        # As in training: to read a loss after each step would hold the device up.
        nonlocal read
        if time.perf_counter() - read < 0.2:
            clock.advance(1)
            return
        clock.advance(1, loss=float(logs["loss"]))
        read = time.perf_counter()

    told = keras.callbacks.LambdaCallback(on_train_batch_end=tell)
    labels = labels % dataset.classes.num_classes
    options = {"batch_size": size, "epochs": 10**6, "verbose": 0}
    model.fit(images, labels, callbacks=[told], **options)


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
