"""`segshrink doctor`, as a user types it."""

import json
import os
import subprocess

import keras
import pytest

from e2e.command_line import started, succeeded


def test_it_tells_what_is_here(tmp_path):
    printed = succeeded("doctor", "--no-speed", "--json", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text())
    assert f"Backend: {keras.backend.backend()} " in printed
    assert found["backend"]["keras"] == keras.__version__
    assert found["speed"] is None


def test_it_measures_speed():
    printed = succeeded("doctor")
    assert " trained, a compact student in batches of 8" in printed
    assert " cut and augmented by one thread of the host" in printed


@pytest.mark.parametrize("backend", ["torch_of_another_age", "torch"])
def test_it_survives_a_backend_that_is_not_installed(backend, tmp_path):
    # Stands for a package that is there and broken.
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so: no such file')")
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    process = started(
        "doctor",
        env=os.environ
        | {"KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    assert f"Backend: {backend} cannot be imported: " in printed
    if backend == "torch":
        assert "OSError: libcudart.so: no such file" in printed
    assert "Speed: not measured: the backend cannot be imported" in printed
    assert "Traceback" not in printed + errors
