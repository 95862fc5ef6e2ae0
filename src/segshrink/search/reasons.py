"""Reasons why trials end without a result, as text."""

import signal
from pathlib import Path

from segshrink.records.trial import Failure

# Every other trial would meet an error of these kinds too.
_SHARED_ERRORS = ("DatasetError", "RunFolderError", "MissingExtraError")


def is_shared(failure: Failure) -> bool:
    """Whether every other trial would fail in the same way."""
    return failure.type in _SHARED_ERRORS or failure.is_of_system


def failure_reason(failure: Failure, log: Path) -> str:
    """Reason of a trial whose process ended with an error.

    Args:
        failure: the error.
        log: where its traceback stands.
    """
    if failure.is_memory:
        return f"out of memory: {failure.message}"
    if failure.type == "TrainingError":
        return f"diverged: {failure.message}"
    if failure.is_ours:
        return failure.message
    return f"crashed ({failure.type}: {failure.message}), see {log}"


def exit_reason(code: int) -> str:
    """The exit code of a process, or the signal that ended it, in words."""
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"{name}, out of memory?" if -code == signal.SIGKILL else name


def size_over(size_bytes: int, limit: int | None) -> str | None:
    """Reason of a file that is too large; None for one within the limit."""
    if limit is None or size_bytes <= limit:
        return None
    return f"size {size_bytes:,} bytes, more than {limit:,}"


def latency_over(
    latency_ms: float, limit_ms: float | None, margin: float
) -> str | None:
    """Reason of a file that is slower than the limit by more than a share `margin`."""
    if limit_ms is None or latency_ms <= limit_ms * (1 + margin):
        return None
    return f"latency {latency_ms:.3g} ms, more than {limit_ms:.3g}"
