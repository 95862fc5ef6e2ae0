"""Latency of a trial's file while the other trials of this machine are paused."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from segshrink.recipe import Recipe
from segshrink.records.measurement import Latency
from segshrink.search.processes import signal_all


def time_alone(path: Path, recipe: Recipe, others: Sequence[Path]) -> Latency:
    """Time a file as the recipe says, while no other trial computes.

    Args:
        path: the file.
        recipe: of the search.
        others: folders of the trials in progress.
    """
    from segshrink.measuring import measure_latency

    settings = recipe.measuring
    with _paused(others):
        timed = measure_latency(
            [path], threads=settings.threads, rounds=settings.rounds, seed=recipe.seed
        )
    return timed[path]


@contextmanager
def _paused(folders: Sequence[Path]) -> Iterator[None]:
    """Pause the trials of some folders, those of them that run on this machine."""
    signal_all(folders, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(folders, signal.SIGCONT)
