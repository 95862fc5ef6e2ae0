"""The process of one trial: `python -m segshrink.search.worker FOLDER PARENT`.

It ends with the search that started it, however that ends, and only one works in a
folder at a time. An error that ends it is written to `error.json`.
"""

import os
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path

from segshrink.errors import SegshrinkError
from segshrink.records import locked
from segshrink.records.trial import Failure, Job, WorkerProcess
from segshrink.search.paths import ERROR, JOB, LOCK, PROCESS

_LOOK_SECONDS = 0.5


def main(folder: Path, parent: int) -> int:
    """Run the trial of a folder; the exit code is 0 if there is a result.

    Args:
        folder: where `job.json` lies.
        parent: the process that started this one.
    """
    job = Job.read(folder / JOB)
    _use_cores(job.cores)
    # This starts first, since the search may end while the folder is still in use.
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with locked(folder / LOCK):
        worker = WorkerProcess(host=socket.gethostname(), process=os.getpid())
        worker.write(folder / PROCESS)
        try:
            # Imported here, since Keras takes the cores that it finds when imported.
            from segshrink.search.trial import run_trial

            run_trial(folder)
        except Exception as error:
            traceback.print_exc()
            _failure(error).write(folder / ERROR)
            return 1
    return 0


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
    raise SystemExit(main(Path(sys.argv[1]), int(sys.argv[2])))
