"""What a search shows of itself while it goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class TrialView:
    """A trial as it stands.

    Attributes:
        number: from 0.
        state: `"running"`, `"complete"`, `"pruned"`, `"skipped"` or `"failed"`.
        stage: what a running one does, such as `"training"`.
        values: recipe fields and the values that are tried.
        epoch: epochs trained.
        epochs: epochs in all.
        miou: best validation mean IoU so far, in [0, 1]; None if there is none yet.
        latency_ms: of the file, if it was timed.
        size_bytes: of the file, if it was made.
        reason: why it failed, was skipped or pruned.
        seconds: how long it has taken.
        is_feasible: whether the file is within the limits; None if not known.
    """

    number: int
    state: str
    stage: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    epoch: int = 0
    epochs: int = 0
    miou: float | None = None
    latency_ms: float | None = None
    size_bytes: int | None = None
    reason: str | None = None
    seconds: float = 0.0
    is_feasible: bool | None = None


@dataclass(frozen=True)
class SearchView:
    """A search as it stands.

    Attributes:
        done: trials that ended in whatever way.
        wanted: trials to reach.
        seconds: since the search began or went on.
        seconds_left: None until a trial has ended.
        best: the best trial so far.
        running: trials in work.
        ended: the others, by number.
    """

    done: int
    wanted: int
    seconds: float
    seconds_left: float | None
    best: TrialView | None
    running: tuple[TrialView, ...]
    ended: tuple[TrialView, ...]


class Watcher(Protocol):
    """Is shown a search."""

    def show(self, view: SearchView) -> None:
        """Take in how it stands, on each change and about once a second."""

    def say(self, text: str) -> None:
        """Show one line that stays."""

    def finish(self) -> None:
        """The search has ended, or stops with an error."""


class SilentWatcher:
    """Shows nothing."""

    def show(self, view: SearchView) -> None:
        """Ignore the view."""

    def say(self, text: str) -> None:
        """Ignore the line."""

    def finish(self) -> None:
        """Ignore the end."""
