"""`--devices`, as a user types it."""

import json
import os
import subprocess

import keras
import pytest

from e2e.command_line import refused, started

VERBS = {
    "train": (),
    "distill": ("--teacher", "t.keras", "--student", "s.keras"),
    "compress": (),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_number_that_is_none_is_refused(verb, tmp_path):
    out = tmp_path / "out"
    message = refused(verb, "synthetic", *VERBS[verb], "--out", out, "--devices", "two")
    assert "--devices must be a number above 0, or all, got two." in message
    assert not out.exists()


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX can")
@pytest.mark.parametrize("verb", VERBS)
def test_another_backend_is_refused_before_anything_is_read(verb, tmp_path):
    out = tmp_path / "out"
    message = refused(verb, "synthetic", *VERBS[verb], "--out", out, "--devices", 2)
    assert "needs the JAX backend" in message
    assert "KERAS_BACKEND=jax" in message
    assert not out.exists()


def test_train_on_two(tmp_path):
    """Two virtual devices of a processor; and one more than there are."""
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    brief = ["data.tile_px=32", "teacher.model.base_filters=4"]
    brief += ["teacher.model.levels=1", "teacher.training.epochs=1"]
    brief += ["teacher.training.tiles_per_epoch=4", "teacher.training.batch_size=2"]
    line = ["train", "synthetic", "--out", tmp_path / "teacher"]
    line += [word for setting in brief for word in ("--set", setting)]

    def finished(*options):
        process = started(
            *line,
            *options,
            env=environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        printed, errors = process.communicate()
        assert "Traceback" not in errors
        return process.returncode, printed, errors

    code, _, errors = finished("--devices", 3)
    assert code == 2
    assert "3 are asked for, but JAX has 2 (cpu:0, cpu:1)" in errors
    odd = ("--set", "teacher.training.batch_size=3")
    code, _, errors = finished("--devices", "all", *odd)
    assert code == 2
    assert "batch_size: must be a multiple of the 2 devices, got 3. Set it to" in errors
    code, printed, errors = finished("--devices", "all")
    assert code == 0, errors
    assert "teacher: batches are divided among cpu:0, cpu:1." in errors
    assert "mean IoU" in printed
    record = json.loads((tmp_path / "teacher" / "record.json").read_text())
    assert record["epochs"] == 1
