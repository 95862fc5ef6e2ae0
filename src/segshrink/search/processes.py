"""Trials as processes of this machine, which share its cores."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from segshrink.errors import RunFolderError
from segshrink.records import usable_cores
from segshrink.records.trial import WorkerProcess
from segshrink.search.paths import LOG, PROCESS, STOP

# A step of training takes less, and a new process takes longer to begin.
STOP_SECONDS = 5.0
# Libraries keep some memory of each trial: 30 MB of tiny ones with TensorFlow.
_MOST_TRIALS = 20
_LOOK_SECONDS = 0.02
_ANSWER_BYTES = 16


class Handle(Protocol):
    """A trial, wherever its process runs."""

    def poll(self) -> int | None:
        """0 if it has ended with a result, else an exit code; negative for a signal.

        None while it works.
        """

    def stop(self) -> None:
        """Stop it, and wait until nothing works in its folder.

        The process may go on to another trial.
        """

    def kill(self) -> None:
        """End its process with all that this has started, and wait for them."""


class Workers(Protocol):
    """Runs trials in processes of this machine or elsewhere."""

    count: int

    def cores(self, slot: int) -> list[int] | None:
        """Cores that the trial of a slot keeps to; None if a cluster decides."""

    def start(self, folder: Path, slot: int) -> Handle:
        """Start the trial of a folder, whose `job.json` is there."""

    def release(self, slot: int) -> None:
        """End the process of a slot that has no trial, since none follows."""

    def close(self) -> None:
        """End all processes, with the trials that still run."""


class LocalWorkers:
    """Processes of this machine, each on its own share of the cores.

    A process has one trial after another; one that has ended is replaced.

    Args:
        count: int >= 1, trials at a time.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._cores = usable_cores()
        self._processes: dict[int, TrialProcess] = {}

    def cores(self, slot: int) -> list[int] | None:
        """An equal share of the cores; with more workers than cores one is shared."""
        own = self._cores[slot % len(self._cores) :: self.count]
        return own or [self._cores[slot % len(self._cores)]]

    def start(self, folder: Path, slot: int) -> Handle:
        """Start the trial of a folder."""
        process = self._processes.get(slot)
        if process is None or not process.is_free:
            if process is not None:
                process.kill()
            process = TrialProcess(folder, len(self.cores(slot) or [0]))
            self._processes[slot] = process
        return _LocalTrial(process, folder)

    def release(self, slot: int) -> None:
        """End the process of a slot that has no trial."""
        if slot in self._processes:
            self._processes.pop(slot).kill()

    def close(self) -> None:
        """End all processes, with the trials that still run."""
        for process in self._processes.values():
            process.kill()


class _LocalTrial:
    def __init__(self, process: "TrialProcess", folder: Path) -> None:
        self._process, self._folder = process, folder
        self._code: int | None = None
        process.begin(folder)

    def poll(self) -> int | None:
        if self._code is None:
            self._code = self._process.poll()
        return self._code

    def stop(self) -> None:
        with stop_requested(self._folder):
            until = time.monotonic() + STOP_SECONDS
            while self.poll() is None and time.monotonic() < until:
                time.sleep(_LOOK_SECONDS)
        self.kill()

    def kill(self) -> None:
        # After its end the process may be at the next trial.
        if self.poll() is None:
            self._process.kill()


@contextmanager
def stop_requested(folder: Path) -> Iterator[None]:
    """Ask the trial of a folder to stop, for as long as the context lasts."""
    (folder / STOP).touch()
    try:
        yield
    finally:
        (folder / STOP).unlink(missing_ok=True)


class TrialProcess:
    """A process that runs trials, in a group of its own.

    Args:
        folder: of the first trial, to whose log it writes until that begins.
        threads: number of threads for the libraries, where the cores are not fixed.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        with theirs:
            self._process = started(folder, threads, theirs)
        self._code: int | None = None
        self._has_ended = self._works = False
        self._trials = 0

    @property
    def is_free(self) -> bool:
        """Whether it can begin a trial; one that had many is due to be replaced."""
        is_idle = not self._works and not self._has_ended
        return is_idle and self._trials < _MOST_TRIALS and self._alive()

    def begin(self, folder: Path) -> None:
        """Tell it to run the trial of a folder."""
        # The number of an earlier process may by now belong to any other.
        (folder / PROCESS).unlink(missing_ok=True)
        self._works, self._code = True, None
        self._trials += 1
        # One that has ended meanwhile shows that when it is asked.
        with suppress(OSError):
            self._socket.sendall(f"{json.dumps(str(folder))}\n".encode())

    def poll(self) -> int | None:
        """As `Handle.poll`, of the trial that was begun last."""
        if self._works:
            # In this order, since it may answer and end at once.
            alive, answer = self._alive(), self._answer()
            if answer is not None:
                self._works, self._code = False, answer
            elif not alive:
                self._works, self._code = False, self._process.returncode
            if not alive:
                self.kill()
        return self._code

    def kill(self) -> None:
        """End it with all that it has started, and wait for them."""
        # Only once, since later its number may belong to another process.
        if not self._has_ended:
            end(self._process)
            self._socket.close()
            self._has_ended = True
        if self._works:
            self._works, self._code = False, self._process.returncode

    def _alive(self) -> bool:
        return self._process.poll() is None

    def _answer(self) -> int | None:
        try:
            text = self._socket.recv(_ANSWER_BYTES).decode()
        except OSError:
            return None
        return int(text) if text.strip() else None


def started(
    folder: Path, threads: int, stdin: socket.socket
) -> subprocess.Popen[bytes]:
    """Start a process for trials, in a group of its own, which writes into a log."""
    command = [sys.executable, "-m", "segshrink.search.worker", str(os.getpid())]
    with (folder / LOG).open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=stdin.fileno(),
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
