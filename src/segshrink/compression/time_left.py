"""Progress of a run that knows the time left of all its stages, as an estimate."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from segshrink.progress import Progress
from segshrink.reporting.units import human_seconds

# Before this share of a piece of work is done, its own speed says little.
_TELLING_SHARE = 0.05
_MINUTE, _HOUR = 60.0, 3600.0


@dataclass(frozen=True)
class Work:
    """A piece of work that a run will report to its progress.

    Attributes:
        label: the first words of the label of `Progress.start`.
        seconds: estimate.
    """

    label: str
    seconds: float


def roughly(seconds: float) -> str:
    """An estimate as text, no finer than it can be meant.

    Args:
        seconds: float >= 0.
    """
    if seconds < 2 * _MINUTE:
        return f"about {max(10, 10 * round(seconds / 10))} s"
    step = _MINUTE if seconds < _HOUR else 10 * _MINUTE
    return f"about {human_seconds(step * round(seconds / step))}"


class TimeLeft:
    """Passes progress on, with the time left of all work as a further fact.

    The estimates of the works that are to come are scaled by what the works before
    them, and the present one, took beside their own estimates.

    Args:
        inner: receives all progress; `advance` with the fact `left`, such as "about 4
            min".
        works: what will be done, in this order. Work with another label may come
            between.
        clock: seconds, for tests.
    """

    def __init__(
        self,
        inner: Progress,
        works: Sequence[Work],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner, self._clock = inner, clock
        self._todo = list(works)
        self._present: Work | None = None
        self._began = self._first = 0.0
        self._done = self._done_at_first = self._total = 0
        self._took = self._expected = 0.0

    def start(self, label: str, total: int) -> None:
        """Begin the next work of this label, and leave out those before it."""
        self._end_present()
        # In whole words: "teacher's logits" is not the teacher's training.
        places = [
            i for i, x in enumerate(self._todo) if f"{label} ".startswith(f"{x.label} ")
        ]
        if places:
            place = places[0]
            self._present = self._todo[place]
            del self._todo[: place + 1]
        self._began = self._first = self._clock()
        self._done, self._done_at_first, self._total = 0, 0, total
        self._inner.start(label, total)

    def advance(self, steps: int = 1, **facts: float | str) -> None:
        """Pass on, with the time left of all works."""
        if self._done == 0:
            # What was done before this process began, or took long to begin with.
            self._first, self._done_at_first = self._clock(), steps
        self._done += steps
        facts["left"] = roughly(self._seconds_left())
        self._inner.advance(steps, **facts)

    def finish(self) -> None:
        """End the present work; what it took corrects the estimates of the others."""
        self._end_present()
        self._inner.finish()

    def say(self, text: str) -> None:
        """Pass on."""
        self._inner.say(text)

    def _end_present(self) -> None:
        if self._present is not None:
            self._took += self._clock() - self._began
            self._expected += self._expected_now()
        self._present = None

    def _seconds_left(self) -> float:
        spent, own = self._clock() - self._began, self._own_left()
        took, expected = self._took, self._expected
        if self._present is not None and own is not None:
            took += spent + own
            expected += self._expected_now()
        pace = took / expected if expected > 0 else 1.0
        if self._present is not None and own is None:
            own = max(0.0, pace * self._expected_now() - spent)
        return (own or 0.0) + pace * sum(work.seconds for work in self._todo)

    def _own_left(self) -> float | None:
        """Seconds left of the present work by its own speed; None before it has one."""
        done = self._done - self._done_at_first
        if done <= 0 or self._done < _TELLING_SHARE * self._total:
            return None
        rate = done / max(self._clock() - self._first, 1e-9)
        return max(0, self._total - self._done) / rate

    def _expected_now(self) -> float:
        """The estimate of the present work, less what an earlier process did of it."""
        if self._present is None:
            return 0.0
        resumed = self._done_at_first if self._done_at_first > 1 else 0
        return self._present.seconds * (1 - resumed / max(1, self._total))
