"""Training on tiles that the compiled step makes itself."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from segshrink.errors import RecipeError, TrainingError
from segshrink.models import build_model
from segshrink.recipe import Augmentation, TrainingSettings
from segshrink.training import TrainingContext, train
from segshrink.training.checkpoint import state_path
from segshrink.training.device_tiles import makes_tiles_on_device
from segshrink.training.history import HistoryRow


@pytest.fixture
def run(tiny_dataset, tmp_path):
    """Trains a small model; returns its history and its weights."""

    def trained(name: str, **changes) -> tuple[list[HistoryRow], list[np.ndarray]]:
        # Without zooming out, the tiles of host and device are equal to the last bit.
        options = {
            "epochs": 2,
            "tiles_per_epoch": 16,
            "batch_size": 4,
            "augmentation": Augmentation(scale_jitter=(1, 1.2), photometric=0.1),
        }
        settings = TrainingSettings(**options | changes)
        keras.utils.set_random_seed(0)
        model = build_model(
            "unet", num_classes=3, input_shape=(32, 32, 3), base_filters=4, levels=1
        )
        context = TrainingContext(dataset=tiny_dataset, folder=tmp_path / name, seed=3)
        train(model, settings, context)
        lines = (tmp_path / name / "history.csv").read_text().splitlines()
        names = lines[0].split(",")
        rows = [dict(zip(names, line.split(","), strict=True)) for line in lines[1:]]
        return rows, model.get_weights()

    return trained


def losses(rows: list[HistoryRow]) -> np.ndarray:
    columns = ("loss", "cross_entropy", "dice", "val_loss", "val_miou")
    return np.array([[float(row[column]) for column in columns] for row in rows])


def test_losses_and_weights_are_those_of_training_on_the_host(run):
    host_rows, host = run("host", tiles_on="host")
    device_rows, device = run("device", tiles_on="device")
    np.testing.assert_allclose(losses(device_rows), losses(host_rows), rtol=2e-3)
    for ours, theirs in zip(device, host, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=5e-3)


class Stopped(Exception):
    pass


@pytest.mark.parametrize("first", ["host", "device"])
@pytest.mark.parametrize("then", ["host", "device"])
def test_a_killed_run_resumes_with_or_without_the_device(run, monkeypatch, first, then):
    whole, expected = run("whole", tiles_on="host")
    with monkeypatch.context() as patch:
        patch.setattr(
            "segshrink.training.epochs.write_history", _stop_after_one_epoch()
        )
        with pytest.raises(Stopped):
            run("killed", tiles_on=first)
    resumed, weights = run("killed", tiles_on=then)
    np.testing.assert_allclose(losses(resumed), losses(whole), rtol=2e-3)
    for ours, theirs in zip(weights, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=5e-3)


def _stop_after_one_epoch():
    from segshrink.training.history import write_history

    def write(folder, history):
        if len(history) == 2:
            raise Stopped
        write_history(folder, history)

    return write


def test_on_the_device_a_run_resumes_exactly(run, monkeypatch):
    _, expected = run("whole", tiles_on="device")
    with monkeypatch.context() as patch:
        patch.setattr(
            "segshrink.training.epochs.write_history", _stop_after_one_epoch()
        )
        with pytest.raises(Stopped):
            run("killed", tiles_on="device")
    _, weights = run("killed", tiles_on="device")
    for ours, theirs in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_images_are_no_part_of_the_checkpoint(run, tmp_path):
    shapes = []
    for place in ("host", "device"):
        run(place, tiles_on=place)
        with np.load(state_path(tmp_path / place)) as state:
            shapes.append({name: state[name].shape for name in state.files})
    assert shapes[0] == shapes[1]


def test_a_loss_that_is_not_finite_ends_the_run(run):
    with pytest.raises(TrainingError, match="in epoch 1"):
        run("diverged", tiles_on="device", learning_rate=1e30, warmup=0)


def test_a_processor_makes_tiles_on_the_host_unless_told(tiny_dataset):
    assert not makes_tiles_on_device(TrainingSettings(), tiny_dataset.train)
    told = TrainingSettings(tiles_on="device")
    assert makes_tiles_on_device(told, tiny_dataset.train)


def test_more_images_than_may_lie_on_the_device_are_refused(draw_dataset):
    part = draw_dataset(side_px=40_000).train
    assert not makes_tiles_on_device(TrainingSettings(tiles_on="host"), part)
    assert not makes_tiles_on_device(TrainingSettings(), part)
    with pytest.raises(RecipeError, match="has 19,200 MB. Take tiles_on: auto or host"):
        makes_tiles_on_device(TrainingSettings(tiles_on="device"), part)


@pytest.mark.parametrize(
    ("place", "bytes_per_tile"), [("device", 48), ("host", 32 * 32 * (3 + 1))]
)
def test_numbers_travel_in_an_epoch_and_no_pixel(place, bytes_per_tile, tmp_path):
    pytest.importorskip("jax")
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("transfers.py"), place, tmp_path],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    steps = [int(line) for line in done.stdout.split()]
    assert steps == [4 * bytes_per_tile] * 8


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_losses_that_layers_add_count_on_the_device_too(backend, tmp_path):
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("added_losses.py"), tmp_path],
        env={**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    host, device = (float(line) for line in done.stdout.split())
    # The regularizer alone is more than the loss on labels.
    assert host > 10
    assert device == pytest.approx(host, rel=2e-3)
