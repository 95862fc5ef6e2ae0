"""The process of one trial: `python -m segshrink.search.worker FOLDER PARENT`.

It ends with the search that started it, however that ends, and only one works in a
folder at a time. Why it failed stands in `error.json`.
"""

import os
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from segshrink.errors import SegshrinkError
from segshrink.records import locked, read_json, write_json
from segshrink.search.files import ERROR, JOB, LOCK, PROCESS

_LOOK_SECONDS = 0.5


def main(folder: Path, parent: int) -> int:
    """Run the trial of a folder; the exit code is 0 if there is a result.

    Args:
        folder: where `job.json` lies.
        parent: the process that started this one.
    """
    job = read_json(folder / JOB)
    _use_cores(job["cores"])
    # First, since the folder may be in use, and the search end meanwhile.
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with locked(folder / LOCK):
        write_json(
            folder / PROCESS, {"host": socket.gethostname(), "process": os.getpid()}
        )
        try:
            # Late: Keras takes the cores that it finds when it is imported.
            from segshrink.search.trial import run_trial

            run_trial(folder)
        except Exception as error:
            traceback.print_exc()
            write_json(folder / ERROR, _told(error))
            return 1
    return 0


def _use_cores(cores: list[int] | None) -> None:
    """Keep to some cores, so that trials side by side do not fight for them."""
    if cores is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def _end_with(parent: int) -> None:
    """End this process and its children when the one that started it has gone."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _told(error: Exception) -> dict[str, Any]:
    return {
        "type": type(error).__name__,
        "message": str(error).strip() or type(error).__name__,
        "is_ours": isinstance(error, SegshrinkError),
        "is_memory": _is_memory(error),
        "is_of_system": isinstance(error, OSError),
    }


def _is_memory(error: Exception) -> bool:
    # TensorFlow and JAX have classes of their own for it, torch has only words.
    name, text = type(error).__name__, str(error).lower()
    return (
        isinstance(error, MemoryError)
        or name == "ResourceExhaustedError"
        or "out of memory" in text
        or "resource_exhausted" in text
    )


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), int(sys.argv[2])))
