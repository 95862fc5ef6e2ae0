"""The examination of this machine, and of ones where something is broken."""

import os

import keras
import pytest

from segshrink.doctor import backend, examine, speed
from segshrink.doctor.backend import chosen_backend, examined_backend
from segshrink.doctor.speed import measured_speed
from segshrink.records.examination import Backend, Examination
from segshrink.records.machine import instruction_sets, memory_bytes, usable_cores


def test_it_tells_what_is_here(tmp_path):
    found = examine(speed=False)
    assert found.machine.cores == len(usable_cores())
    assert found.backend.fault is None
    assert found.backend.name == keras.backend.backend()
    assert found.backend.keras == keras.__version__
    assert found.backend.devices
    assert found.speed is None
    found.write(tmp_path / "found.json")
    assert Examination.read(tmp_path / "found.json") == found


def test_memory_and_instruction_sets_are_those_of_the_system():
    pages = os.sysconf("SC_PHYS_PAGES")
    assert memory_bytes() == pages * os.sysconf("SC_PAGE_SIZE")
    with open("/proc/cpuinfo") as file:
        words = set(file.read().split())
    assert set(instruction_sets()) <= words
    assert ("avx2" in words) == ("avx2" in instruction_sets())


def test_a_backend_that_cannot_be_imported_is_a_line(monkeypatch):
    def broken(name):
        raise RuntimeError("no CUDA\nand so on")

    monkeypatch.setattr(backend, "import_module", broken)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    found = examined_backend()
    assert found == Backend(name="jax", fault="RuntimeError: no CUDA")
    assert measured_speed(found).fault == "the backend cannot be imported"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"backend": "torch"}', "torch"),
        ("{}", "tensorflow"),
        ("[1]", "tensorflow"),
        ("{broken", "tensorflow"),
        (None, "tensorflow"),
    ],
)
def test_the_backend_is_named_as_keras_finds_it(tmp_path, monkeypatch, text, name):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    if text is not None:
        (tmp_path / "keras.json").write_text(text)
    assert chosen_backend() == name
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert chosen_backend() == "jax"


def test_a_test_of_speed_that_fails_is_a_line(monkeypatch):
    def broken(batch_size):
        raise MemoryError("out of memory")

    monkeypatch.setattr(speed, "_sampler", broken)
    found = measured_speed(Backend(name="jax"))
    assert found.fault == "MemoryError: out of memory"
    assert found.trained is None


def test_a_rate_is_that_of_the_steps_after_the_first_two(monkeypatch):
    now, steps = [0.0], []
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])

    def step(number):
        # The first two take long, the others a quarter of a second.
        now[0] += 100.0 if len(steps) < 2 else 0.25
        steps.append(number)

    assert speed._rate(step, 8, seconds=1.0) == 32.0
    assert len(steps) == 2 + 4
