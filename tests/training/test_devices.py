"""Training that is divided among devices, here two virtual ones of a processor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from segshrink.errors import RecipeError, UsageError
from segshrink.training.devices import local_devices, require_devices

SCRIPT = Path(__file__).with_name("on_devices.py")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What training runs gave on one device and on two."""
    out = tmp_path_factory.mktemp("devices")
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    subprocess.run([sys.executable, SCRIPT, out], env=environment, check=True)
    return json.loads((out / "results.json").read_text())


def assert_alike(ours: dict, theirs: dict) -> None:
    np.testing.assert_allclose(ours["history"], theirs["history"], rtol=1e-4)
    for key in ("weights", "saved"):
        for mine, other in zip(ours[key], theirs[key], strict=True):
            np.testing.assert_allclose(mine, other, atol=1e-6)
    np.testing.assert_allclose(ours["logits"], theirs["logits"], rtol=1e-4)


@pytest.mark.backends
@pytest.mark.parametrize("kind", ["host", "device", "live", "cached"])
def test_the_result_is_that_of_one_device(results, kind):
    one, two = results[kind]["1"], results[kind]["2"]
    assert_alike(two, one)
    divided = ": batches are divided among cpu:0, cpu:1."
    assert any(line.endswith(divided) for line in two["said"])
    assert not any(line.endswith(divided) for line in one["said"])


@pytest.mark.backends
def test_a_run_on_one_device_resumes_on_two(results):
    resumed = results["host"]["resumed"]
    assert "training: resumes after epoch 1." in resumed["said"]
    assert_alike(resumed, results["host"]["1"])


def test_one_device_needs_nothing():
    require_devices(1, [7, "auto"])


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX can")
def test_backends_that_cannot_are_refused():
    with pytest.raises(UsageError, match="needs the JAX backend, but this is"):
        require_devices(2, [8])


@pytest.fixture
def four(monkeypatch):
    """JAX with four devices."""
    names = [f"gpu:{i}" for i in range(4)]
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: names)
    return names


def test_all_of_them_or_the_first_ones(four):
    assert local_devices(0) == four
    assert local_devices(3) == four[:3]


def test_more_than_there_are(four):
    with pytest.raises(UsageError, match="5 are asked for, but JAX has 4 .gpu:0, "):
        local_devices(5)


def test_batches_must_divide_evenly(four):
    require_devices(0, [8, 4, "auto"])
    with pytest.raises(
        RecipeError,
        match=r"must be a multiple of the 4 devices, got 6\. Set it to 8, or train on",
    ):
        require_devices(0, [8, 6])
