"""Reasons of trials that come to no result; the driver's tests cover failures."""

import signal

import pytest

from segshrink.search.reasons import exit_reason, is_shared, latency_over, size_over

from .pretended import error


def test_limits():
    assert size_over(1000, None) is None and size_over(1000, 1000) is None
    assert size_over(12_345, 1000) == "size 12,345 bytes, more than 1,000"
    assert latency_over(9.0, None, 0.1) is None
    # A margin of a tenth, since timing varies.
    assert latency_over(10.9, 10.0, 0.1) is None
    assert latency_over(11.1, 10.0, 0.1) == "latency 11.1 ms, more than 10"


def test_exit_codes():
    assert exit_reason(3) == "exit code 3"
    assert exit_reason(-signal.SIGSEGV) == "SIGSEGV"
    assert exit_reason(-signal.SIGKILL) == "SIGKILL, out of memory?"


@pytest.mark.parametrize("kind", ["DatasetError", "RunFolderError"])
def test_faults_that_every_trial_would_have(kind):
    assert is_shared(error(kind, "torn"))
    assert is_shared(error("OSError", "full", is_of_system=True))
    assert not is_shared(error("ExportError", "no"))
