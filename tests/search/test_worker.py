"""How a worker tells its search which error ended it; see also test_processes.py."""

import os

import pytest

from segshrink.errors import DatasetError, TrainingError
from segshrink.search.worker import _failure, _use_cores


class ResourceExhaustedError(Exception):
    """Stands for the error of TensorFlow, which has this name."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ResourceExhaustedError("OOM when allocating tensor"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        ValueError("RESOURCE_EXHAUSTED: failed to allocate"),
    ],
)
def test_want_of_memory_is_recognized_on_every_backend(error):
    failure = _failure(error)
    assert failure.is_memory and not failure.is_ours
    assert failure.message


@pytest.mark.parametrize(
    ("error", "is_ours", "is_of_system"),
    [
        (TrainingError("The loss became nan."), True, False),
        (DatasetError("gone"), True, False),
        (FileNotFoundError(2, "No such file", "a.png"), False, True),
        (KeyError("x"), False, False),
    ],
)
def test_an_error_is_described(error, is_ours, is_of_system):
    failure = _failure(error)
    assert failure.type == type(error).__name__
    assert failure.message == str(error)
    assert (failure.is_ours, failure.is_of_system) == (is_ours, is_of_system)
    assert not failure.is_memory


def test_an_error_without_a_message_has_its_name():
    assert _failure(AssertionError()).message == "AssertionError"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="not on this system")
def test_without_cores_a_worker_keeps_those_it_has():
    before = os.sched_getaffinity(0)
    _use_cores(None)
    assert os.sched_getaffinity(0) == before
