"""Trials as processes of this machine, which share its cores."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from segshrink.errors import RunFolderError
from segshrink.records import usable_cores
from segshrink.records.trial import WorkerProcess
from segshrink.search.paths import LOG, PROCESS


class Handle(Protocol):
    """A trial's process, wherever it runs."""

    def poll(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""

    def kill(self) -> None:
        """End it with all processes that it has started, and wait for them."""


class Workers(Protocol):
    """Starts the processes of trials, on this machine or elsewhere."""

    count: int

    def cores(self, slot: int) -> list[int] | None:
        """Cores that the trial of a slot keeps to; None if a cluster decides."""

    def start(self, folder: Path, slot: int) -> Handle:
        """Start the trial of a folder, whose `job.json` is there."""

    def close(self) -> None:
        """End all trials that still run."""


class LocalWorkers:
    """Processes of this machine, each on its own share of the cores.

    Args:
        count: int >= 1, trials at a time.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._cores = usable_cores()
        self._handles: list[_Process] = []

    def cores(self, slot: int) -> list[int] | None:
        """An equal share of the cores; with more workers than cores one is shared."""
        own = self._cores[slot % len(self._cores) :: self.count]
        return own or [self._cores[slot % len(self._cores)]]

    def start(self, folder: Path, slot: int) -> Handle:
        """Start the trial of a folder."""
        handle = _Process(folder, len(self.cores(slot) or [0]))
        self._handles.append(handle)
        return handle

    def close(self) -> None:
        """End all trials that still run."""
        for handle in self._handles:
            handle.kill()


class _Process:
    def __init__(self, folder: Path, threads: int) -> None:
        self._process = started(folder, threads)
        self._has_ended = False

    def poll(self) -> int | None:
        code = self._process.poll()
        if code is not None:
            self.kill()
        return code

    def kill(self) -> None:
        # Only once, since later its number may belong to another process.
        if not self._has_ended:
            end(self._process)
            self._has_ended = True


def started(folder: Path, threads: int) -> subprocess.Popen[bytes]:
    """Start the process of a trial, in a group of its own, which writes into a log."""
    # The number of an earlier process may by now belong to any other.
    (folder / PROCESS).unlink(missing_ok=True)
    module = "segshrink.search.worker"
    command = [sys.executable, "-m", module, str(folder), str(os.getpid())]
    with (folder / LOG).open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_threads(threads)},
            # The search alone receives Ctrl-C, and then ends its trials.
            process_group=0,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with all that it has started, and wait for it."""
    # This holds for one that ended by itself too: its children may still run.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _threads(count: int) -> dict[str, str]:
    """Number of threads for the libraries, where the cores are not fixed."""
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    return {name: str(count) for name in names}


def group_here(folder: Path) -> int | None:
    """Process group of the trial at work in a folder, if it is one of this machine."""
    try:
        worker = WorkerProcess.read(folder / PROCESS)
    except RunFolderError:
        return None
    return worker.process if worker.host == socket.gethostname() else None


def signal_all(folders: Sequence[Path], what: signal.Signals) -> None:
    """Send a signal to those of the trials that run on this machine."""
    for folder in folders:
        group = group_here(folder)
        if group is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, what)
