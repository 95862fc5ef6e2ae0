"""The process that runs trials: `python -m segshrink.search.worker PARENT`.

Its input is a socket, on which it is told the folder of a trial and answers with 0 if
there is a result. What takes long to begin with is thereby done once for many trials:
imports, the data, the teacher. It ends with the search that started it, however that
ends, and only one works in a folder at a time. An error that ends a trial is written to
`error.json`; after one that nobody has foreseen the process ends too.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from segshrink.errors import SegshrinkError
from segshrink.records import locked
from segshrink.records.trial import Failure, Job, WorkerProcess
from segshrink.search.paths import ERROR, JOB, LOCK, LOG, PROCESS
from segshrink.search.stopping import TrialStopped

if TYPE_CHECKING:
    from segshrink.search.between_trials import Kept

_LOOK_SECONDS = 0.5


def main(parent: int) -> int:
    """Run the trials whose folders come in; the exit code is that of the last.

    Args:
        parent: the process that started this one.
    """
    # This starts first, since the search may end while a folder is still in use.
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    kept: Kept | None = None
    with _to_search() as search, search.makefile("rw", encoding="utf-8") as lines:
        for line in lines:
            folder = Path(json.loads(line))
            _write_into(folder / LOG)
            job = Job.read(folder / JOB)
            _use_cores(job.cores)
            with locked(folder / LOCK):
                worker = WorkerProcess(host=socket.gethostname(), process=os.getpid())
                worker.write(folder / PROCESS)
                kept, failure = _run(folder, kept)
            if failure is not None and not _is_harmless(failure):
                # Its end tells the search.
                return 1
            lines.write(f"{int(failure is not None)}\n")
            lines.flush()
    return 0


def _to_search() -> socket.socket:
    """The socket to the search, which no process started from here inherits."""
    search = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    return search


def _write_into(log: Path) -> None:
    """Let all that this process prints, libraries too, go to the log of a trial."""
    sys.stdout.flush()
    sys.stderr.flush()
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)


def _run(folder: Path, kept: "Kept | None") -> "tuple[Kept | None, Failure | None]":
    """Run a trial; what is kept for the next, and the error that ended it."""
    try:
        # Imported here, since Keras takes the cores that it finds when imported.
        from segshrink.search.between_trials import Kept
        from segshrink.search.trial import run_trial

        kept = kept or Kept()
        run_trial(folder, kept)
    except TrialStopped:
        return kept, None
    except Exception as error:
        traceback.print_exc()
        failure = _failure(error)
        failure.write(folder / ERROR)
        return kept, failure
    return kept, None


def _is_harmless(failure: Failure) -> bool:
    """Whether the next trial in this process is as good as in another."""
    return failure.is_ours and not failure.is_memory


def _use_cores(cores: tuple[int, ...] | None) -> None:
    """Keep to some cores, so that concurrent trials do not compete for them."""
    if cores is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def _end_with(parent: int) -> None:
    """End this process and its children when the one that started it has gone."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _failure(error: Exception) -> Failure:
    return Failure(
        type=type(error).__name__,
        message=str(error).strip() or type(error).__name__,
        is_ours=isinstance(error, SegshrinkError),
        is_memory=_is_memory(error),
        is_of_system=isinstance(error, OSError),
    )


def _is_memory(error: Exception) -> bool:
    # TensorFlow and JAX have their own classes for it, torch only says so in words.
    name, text = type(error).__name__, str(error).lower()
    return (
        isinstance(error, MemoryError)
        or name == "ResourceExhaustedError"
        or "out of memory" in text
        or "resource_exhausted" in text
    )


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1])))
