"""A killed training run resumes and ends as if it had never stopped."""

import json
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import keras
import numpy as np
import pytest

from segshrink.data import open_dataset
from segshrink.errors import RunFolderError
from segshrink.training import TrainingContext, discard_checkpoint, train
from segshrink.training.checkpoint import best_path, state_path
from segshrink.training.validation import Validation, Validator

from .runs import (
    TILE_PX,
    Interrupted,
    KillAfter,
    read_history,
    small_model,
    small_settings,
    weights_of,
)

SETTINGS = small_settings(epochs=4)
STEPS = 3


def run(folder, dataset, *, model=None, settings=SETTINGS, **options):
    context = TrainingContext(dataset=dataset, folder=folder, **options)
    return train(model or small_model(), settings, context)


def without_seconds(folder: Path) -> list[dict[str, str]]:
    return [row | {"seconds": ""} for row in read_history(folder)]


def assert_same_outcome(folder: Path, expected: Path) -> None:
    assert without_seconds(folder) == without_seconds(expected)
    ours, theirs = (weights_of(f / "model.keras") for f in (folder, expected))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, tiny_dataset):
    """A folder, the result and the model of a whole run."""
    folder = tmp_path_factory.mktemp("undisturbed")
    model = small_model()
    result = run(folder, tiny_dataset, model=model)
    return folder, result, model


def test_augmentation_and_dropout_are_on():
    # Without them the tests below would show little.
    assert SETTINGS.augmentation.scale_jitter != (1, 1)
    assert any(isinstance(x, keras.layers.Dropout) for x in small_model().layers)


def test_resumes_as_if_never_stopped(tmp_path, tiny_dataset, undisturbed):
    folder, result, model = undisturbed
    with pytest.raises(Interrupted):
        run(tmp_path, tiny_dataset, progress=KillAfter(2 * STEPS + 1))
    # Other weights and other dropout: everything must come from the checkpoint.
    continued = small_model(seed=99)
    again = run(tmp_path, tiny_dataset, model=continued)
    assert_same_outcome(tmp_path, folder)
    assert (again.epochs, again.best_epoch) == (result.epochs, result.best_epoch)
    assert again.best_val_miou == result.best_val_miou
    for mine, other in zip(continued.weights, model.weights, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_several_readers_change_nothing(
    tmp_path, tiny_dataset, undisturbed, monkeypatch
):
    # Of 24 cores, three read.
    cores = "segshrink.training.read_ahead.usable_cores"
    monkeypatch.setattr(cores, lambda: list(range(24)))
    with pytest.raises(Interrupted):
        run(tmp_path, tiny_dataset, progress=KillAfter(2 * STEPS + 1))
    run(tmp_path, tiny_dataset)
    assert_same_outcome(tmp_path, undisturbed[0])
    assert not [x for x in threading.enumerate() if x.name.startswith("reader")]


def test_a_run_in_float16_resumes(tmp_path, tiny_dataset):
    """Keras wraps the optimizer, in one that has variables of its own."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        with pytest.raises(Interrupted):
            run(tmp_path, tiny_dataset, progress=KillAfter(2 * STEPS + 1))
        result = run(tmp_path, tiny_dataset, model=small_model())
    finally:
        keras.config.set_dtype_policy("float32")
    assert result.epochs == SETTINGS.epochs


def test_killed_again_and_again(tmp_path, tiny_dataset, undisturbed):
    """In the first epoch, between two epochs, in the last epoch."""
    for steps in (1, STEPS, 3 * STEPS + 2):
        with pytest.raises(Interrupted):
            run(tmp_path, tiny_dataset, progress=KillAfter(steps))
    run(tmp_path, tiny_dataset)
    assert_same_outcome(tmp_path, undisturbed[0])


def test_resumes_a_checkpoint_without_validation_loss(
    tmp_path, tiny_dataset, undisturbed
):
    """Such as versions left that computed none."""
    with pytest.raises(Interrupted):
        run(tmp_path, tiny_dataset, progress=KillAfter(2 * STEPS + 1))
    with np.load(state_path(tmp_path)) as saved:
        state = dict(saved)
    facts = json.loads(str(state["facts"]))
    for row in facts["history"]:
        del row["val_loss"]
    np.savez(state_path(tmp_path), **state | {"facts": np.array(json.dumps(facts))})
    result = run(tmp_path, tiny_dataset)
    expected = without_seconds(undisturbed[0])
    for row in expected[:2]:
        row["val_loss"] = ""
    assert without_seconds(tmp_path) == expected
    assert list(read_history(tmp_path)[0]) == list(read_history(undisturbed[0])[0])
    assert result.best_val_loss == min(float(row["val_loss"]) for row in expected[2:])


def _raise_at_epoch(epoch):
    from segshrink.training.history import write_history

    def write(folder, rows):
        if len(rows) == epoch:
            raise Interrupted
        write_history(folder, rows)

    return write


def test_a_worse_epoch_after_a_kill_does_not_take_the_name_of_the_best(
    tmp_path, tiny_dataset, monkeypatch
):
    """An epoch that is killed when it was the best, and is worse when repeated."""
    scores = iter([0.5, 0.9, 0.4])
    monkeypatch.setattr(
        Validator, "__call__", lambda _: Validation(_Scored(next(scores)), 1.0)
    )
    settings = small_settings(epochs=2)
    with monkeypatch.context() as patch:
        patch.setattr("segshrink.training.epochs.write_history", _raise_at_epoch(2))
        with pytest.raises(Interrupted):
            run(tmp_path, tiny_dataset, settings=settings)
    first = weights_of(best_path(tmp_path, 1))
    result = run(tmp_path, tiny_dataset, settings=settings)
    assert (result.best_epoch, result.best_val_miou) == (1, 0.5)
    np.testing.assert_array_equal(weights_of(tmp_path / "model.keras")[0], first[0])


class _Scored:
    """A confusion matrix that knows its scores beforehand."""

    def __init__(self, miou):
        self.pixel_accuracy = self.miou = miou

    def mean_iou(self):
        return self.miou


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_dataset):
    """A training of one epoch, in a folder where a kill left half a file."""
    folder = tmp_path_factory.mktemp("finished")
    partial = state_path(folder).with_name(".partial-last.npz")
    partial.parent.mkdir()
    partial.write_bytes(b"half of a st")
    return folder, run(folder, tiny_dataset, settings=small_settings(epochs=1))


def test_half_a_file_does_not_count(finished):
    folder, result = finished
    assert result.epochs == 1
    assert names_in(state_path(folder).parent) == ["best-1.keras", "last.npz"]


def test_a_finished_run_is_not_repeated(finished, tiny_dataset):
    folder, result = finished
    settings, progress = small_settings(epochs=1), KillAfter(STEPS)
    assert run(folder, tiny_dataset, settings=settings, progress=progress) == result


def test_a_best_model_that_is_cut_short_is_told(finished, tiny_dataset, tmp_path):
    folder = shutil.copytree(finished[0], tmp_path / "copy")
    best = best_path(folder, 1)
    best.write_bytes(best.read_bytes()[:-300])
    with pytest.raises(RunFolderError, match="best model of this run. Delete .*checkp"):
        run(folder, tiny_dataset, settings=small_settings(epochs=1))
    best.unlink()
    with pytest.raises(RunFolderError, match="best model of this run. Delete .*checkp"):
        run(folder, tiny_dataset, settings=small_settings(epochs=1))


def test_discard_checkpoint_leaves_the_result(finished, tmp_path):
    folder = shutil.copytree(finished[0], tmp_path / "copy")
    discard_checkpoint(folder)
    assert names_in(folder) == ["history.csv", "model.keras"]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_survives_sigkill(tmp_path):
    """A real kill in another process, in the middle of the second epoch."""
    _six_classes().save(tmp_path / "untrained.keras")
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    dataset = open_dataset("synthetic", scenes=3, scene_px=64)
    settings = small_settings(epochs=2, batch_size=2)
    for name in ("killed", "whole"):
        model = keras.saving.load_model(tmp_path / "untrained.keras")
        run(tmp_path / name, dataset, model=model, settings=settings)
    assert_same_outcome(tmp_path / "killed", tmp_path / "whole")


def _six_classes():
    images = keras.Input((TILE_PX, TILE_PX, 3))
    x = keras.layers.Rescaling(1 / 255)(images)
    # The seed is in the file, so that both processes drop the same.
    x = keras.layers.Dropout(0.1, seed=7)(x)
    return keras.Model(images, keras.layers.Conv2D(6, 3, padding="same")(x))


_KILLED = """
import os, signal, sys
from pathlib import Path
import keras
from segshrink.data import open_dataset
from segshrink.progress import SilentProgress
from segshrink.recipe import TrainingSettings
from segshrink.training import TrainingContext, train

class Kill(SilentProgress):
    done = 0
    def advance(self, steps=1, **facts):
        self.done += steps
        if self.done == 3:
            os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
model = keras.saving.load_model(folder / "untrained.keras")
settings = TrainingSettings(
    epochs=2, batch_size=2, learning_rate=0.01, tiles_per_epoch=None, loss={"dice": 0}
)
dataset = open_dataset("synthetic", scenes=3, scene_px=64)
context = TrainingContext(
    dataset=dataset, folder=folder / "killed", progress=Kill()
)
train(model, settings, context)
"""


@pytest.fixture(scope="module")
def begun(tmp_path_factory, tiny_dataset):
    folder = tmp_path_factory.mktemp("begun")
    with pytest.raises(Interrupted):
        run(folder, tiny_dataset, progress=KillAfter(STEPS))
    return folder


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"settings": small_settings(epochs=4, weight_decay=0)}, "settings.weight_dec"),
        ({"seed": 1}, "seed"),
        ({"model": small_model(filters=5)}, "model"),
    ],
)
def test_refuses_the_checkpoint_of_another_run(begun, tiny_dataset, changes, named):
    before = state_path(begun).read_bytes()
    with pytest.raises(RunFolderError) as caught:
        run(begun, tiny_dataset, **changes)
    text = str(caught.value)
    assert text.startswith(
        f"{state_path(begun)}: this checkpoint belongs to a training"
    )
    assert named in text
    assert f"or delete {state_path(begun).parent}." in text
    assert state_path(begun).read_bytes() == before


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_refuses_a_damaged_checkpoint(begun, tmp_path, tiny_dataset, damage):
    content = bytearray(state_path(begun).read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64) if damage == "flipped" else b"x" * 64
    damaged = {
        "cut": content[:middle],
        "flipped": content,
        "empty": b"",
        "other": b"no archive at all",
    }[damage]
    state_path(tmp_path).parent.mkdir()
    state_path(tmp_path).write_bytes(damaged)
    with pytest.raises(RunFolderError, match=r"the checkpoint is damaged .*Delete "):
        run(tmp_path, tiny_dataset)
