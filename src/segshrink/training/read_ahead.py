"""Threads that make batches ahead of the one that is asked for, in order."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

from segshrink.records.machine import usable_cores

Made = TypeVar("Made")

# Batches that lie ready, beside one in the hands of each thread.
_READY = 2
# Beyond about as many threads a tile's share of work that holds Python's lock, some
# 0.15 of 2 milliseconds, leaves no room for more.
_MOST_READERS = 12
# Augmentation of a tile takes about a tenth of a small student's training on it.
_CORES_PER_READER = 8


class ReadAhead(Generic[Made]):
    """Makes things by their number, some of them ahead, in several threads.

    All that is made ahead stays until a later number is asked for; an error of making
    it is raised to whom asks for it.

    Args:
        make: from a number >= 0 to the thing, always the same one. Threads call it for
            different numbers at the same time.
        threads: at least 1. As many numbers and two more are made ahead.
    """

    def __init__(self, make: Callable[[int], Made], threads: int) -> None:
        self._make = make
        self._ahead = threads + _READY
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="reader")
        self._lock = Lock()
        self._closed = False
        self._futures: dict[int, Future[Made]] = {}

    def get(self, number: int) -> Made:
        """The thing of a number; call it from one thread at a time."""
        with self._lock:
            if not self._closed:
                self._begin(range(number, number + 1 + self._ahead))
            future = self._futures.get(number)
        # The backend may still read ahead of a training run that was stopped.
        return future.result() if future else self._make(number)

    def _begin(self, wanted: range) -> None:
        for other in self._futures.keys() - set(wanted):
            self._futures.pop(other).cancel()
        for each in wanted:
            if each not in self._futures:
                self._futures[each] = self._pool.submit(self._make, each)

    def close(self) -> None:
        """End the threads as soon as each has made what it is making."""
        with self._lock:
            self._closed = True
            self._futures.clear()
        self._pool.shutdown(cancel_futures=True)


def reader_count(accelerator: bool) -> int:
    """Threads that make batches for a training run on this machine.

    Beside an accelerator all cores but one, which feeds it; on the processor one, and
    one more for every eight cores from the sixteenth on, since the step itself needs
    them.
    """
    cores = len(usable_cores())
    readers = cores - 1 if accelerator else cores // _CORES_PER_READER
    return max(1, min(readers, _MOST_READERS))
