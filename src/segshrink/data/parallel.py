"""Work on many files at a time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from segshrink.records import usable_cores

_MOST_THREADS = 8

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_parallel(
    work: Callable[[_Item], _Result], items: Sequence[_Item]
) -> Iterator[_Result]:
    """Yield `work(item)` for each item in order, several at a time.

    Pillow decodes outside the interpreter lock, so threads are enough.
    """
    threads = min(_MOST_THREADS, len(usable_cores()))
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(work, items)
