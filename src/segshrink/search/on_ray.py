"""Trials on a Ray cluster, while the study stays with the search."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from segshrink.prediction.on_ray import Cluster, connection
from segshrink.records import usable_cores
from segshrink.search.processes import (
    STOP_SECONDS,
    Handle,
    TrialProcess,
    stop_requested,
)

_LOOK_SECONDS = 0.2
_END_SECONDS = 30.0


class RayWorkers:
    """Actors of a cluster, each of which has a process that runs one trial at a time.

    The cluster decides where; an actor requests an equal share of this machine's cores.
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
        self._trials: dict[int, _RayTrial] = {}

    def cores(self, slot: int) -> list[int] | None:
        """None: the cluster decides on which machine a trial runs."""
        return None

    def start(self, folder: Path, slot: int) -> Handle:
        """Start the trial of a folder."""
        last = self._trials.get(slot)
        if last is None or not last.leaves_a_free_actor:
            actor = _new_actor(self._threads)
        else:
            actor = last.actor
        self._trials[slot] = _RayTrial(actor, folder)
        return self._trials[slot]

    def release(self, slot: int) -> None:
        """End the actor of a slot that has no trial; others may need its cores."""
        if slot in self._trials:
            self._trials.pop(slot).end_actor()

    def close(self) -> None:
        """End all processes, with the trials that still run, and leave the cluster."""
        for trial in self._trials.values():
            trial.end_actor()
        self._connection.__exit__(None, None, None)


def _new_actor(threads: int) -> Any:
    import ray

    actor = ray.remote(num_cpus=threads, max_restarts=0)(_Host)
    return actor.remote(threads, os.getcwd())


class _RayTrial:
    def __init__(self, actor: Any, folder: Path) -> None:
        self.actor = actor
        self._folder = folder
        self._result = actor.run.remote(str(folder))
        self._code: int | None = None
        self._has_gone = False

    @property
    def leaves_a_free_actor(self) -> bool:
        return self.poll() is not None and not self._has_gone

    def poll(self) -> int | None:
        return self._wait(0)

    def _wait(self, seconds: float) -> int | None:
        import ray

        if self._code is None:
            done, _ = ray.wait([self._result], timeout=seconds)
            if done:
                try:
                    self._code = int(ray.get(self._result))
                except ray.exceptions.RayError:
                    # The actor's machine or process has gone.
                    self._code, self._has_gone = -signal.SIGKILL, True
        return self._code

    def stop(self) -> None:
        if self.poll() is None:
            with stop_requested(self._folder):
                self._wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        # After its end the actor may be at the next trial.
        if self.poll() is None:
            self.end_actor()
            self._wait(_END_SECONDS)

    def end_actor(self) -> None:
        import ray

        # The process of the trials finds that its parent has gone, and ends too.
        if not self._has_gone:
            ray.kill(self.actor)
        self._has_gone = True


class _Host:
    """A worker of the cluster, which has a process for trials.

    Args:
        threads: number of threads of the process.
        directory: where the search was started, which folder and data may be relative
            to.
    """

    def __init__(self, threads: int, directory: str) -> None:
        os.chdir(directory)
        self._threads = threads
        self._process: TrialProcess | None = None

    def run(self, folder: str) -> int:
        """Run the trial of a folder to its end; see `Handle.poll`."""
        if self._process is None or not self._process.is_free:
            if self._process is not None:
                self._process.kill()
            self._process = TrialProcess(Path(folder), self._threads)
        self._process.begin(Path(folder))
        while (code := self._process.poll()) is None:
            time.sleep(_LOOK_SECONDS)
        return code
