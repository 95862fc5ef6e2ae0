"""Trials as tasks of a Ray cluster, while the study stays with the search."""

import os
import signal
import time
from pathlib import Path

from segshrink.prediction.on_ray import Cluster, connection
from segshrink.records import usable_cores
from segshrink.search.processes import Handle, end, started

_LOOK_SECONDS = 0.2
_END_SECONDS = 30.0


class RayWorkers:
    """Tasks of a cluster, each of which runs the process of one trial.

    The cluster decides where; a task requests an equal share of this machine's cores.
    All machines must see the folder of the search and the data under the same
    paths.

    Args:
        address: as for `segshrink.prediction.Cluster`.
        count: int >= 1, trials at a time.

    Raises:
        MissingExtraError: without Ray.
        UsageError: if there is no cluster at the address.
    """

    def __init__(self, address: str, count: int) -> None:
        self.count = count
        self._threads = max(1, len(usable_cores()) // count)
        self._connection = connection(Cluster(address, count))
        self._connection.__enter__()
        self._handles: list[_Task] = []

    def cores(self, slot: int) -> list[int] | None:
        """None: the cluster decides on which machine a trial runs."""
        return None

    def start(self, folder: Path, slot: int) -> Handle:
        """Start the trial of a folder."""
        handle = _Task(folder, self._threads)
        self._handles.append(handle)
        return handle

    def close(self) -> None:
        """End all trials that still run, and leave the cluster."""
        for handle in self._handles:
            handle.kill()
        self._connection.__exit__(None, None, None)


class _Task:
    def __init__(self, folder: Path, threads: int) -> None:
        import ray

        task = ray.remote(num_cpus=threads, max_retries=0)(_run)
        self._result = task.remote(str(folder), threads, os.getcwd())
        self._code: int | None = None

    def poll(self) -> int | None:
        import ray

        if self._code is None:
            done, _ = ray.wait([self._result], timeout=0)
            if done:
                try:
                    self._code = int(ray.get(self._result))
                except ray.exceptions.RayError:
                    # The task's machine or process has gone.
                    self._code = -signal.SIGKILL
        return self._code

    def kill(self) -> None:
        import ray

        if self.poll() is not None:
            return
        # An interrupt may be missed, and Ray obeys the first call only. The process of
        # the trial finds that its parent has gone, and ends too.
        ray.cancel(self._result, force=True)
        ray.wait([self._result], timeout=_END_SECONDS)


def _run(folder: str, threads: int, directory: str) -> int:
    """Run a trial's process to its end, in a worker of the cluster."""
    # Folder and data may be relative to where the search was started.
    os.chdir(directory)
    process = started(Path(folder), threads)
    try:
        while process.poll() is None:
            time.sleep(_LOOK_SECONDS)
    finally:
        end(process)
    return process.returncode
