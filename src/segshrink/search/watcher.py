"""The state of a search that is in progress, for whoever shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from segshrink.recipe import Plain
from segshrink.records.search import Trial


@dataclass(frozen=True)
class TrialView:
    """The current state of a trial.

    Attributes:
        number: from 0.
        state: `"running"`, `"complete"`, `"pruned"`, `"skipped"` or `"failed"`.
        stage: current work of a running trial, such as `"training"`.
        values: recipe fields and the values that are tried.
        epoch: epochs trained.
        epochs: epochs in total.
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
    values: Mapping[str, Plain] = field(default_factory=dict)
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
    """The current state of a search.

    Attributes:
        done: number of trials that ended, however.
        wanted: number of trials to reach.
        seconds: since the search began or resumed.
        seconds_left: None until a trial has ended.
        best: the best trial so far.
        running: trials in progress.
        ended: all others, by number.
    """

    done: int
    wanted: int
    seconds: float
    seconds_left: float | None
    best: TrialView | None
    running: tuple[TrialView, ...]
    ended: tuple[TrialView, ...]


def ended_view(trial: Trial) -> TrialView:
    """The state of a trial that ended."""
    return TrialView(
        number=trial.number,
        state=trial.state,
        values=trial.values,
        # Studies of earlier versions know only those that were validated.
        epoch=trial.trained_epochs or len(trial.epochs),
        miou=trial.best_epoch_miou if trial.miou is None else trial.miou,
        latency_ms=trial.latency_ms,
        size_bytes=trial.size_bytes,
        reason=trial.reason,
        seconds=trial.seconds,
        is_feasible=trial.is_feasible,
    )


class Watcher(Protocol):
    """Shows a search."""

    def show(self, view: SearchView) -> None:
        """Show the current state; called on each change and about once a second."""

    def say(self, text: str) -> None:
        """Show one line permanently."""

    def finish(self) -> None:
        """Close: the search has ended, or stops with an error."""


class SilentWatcher:
    """A watcher that shows nothing."""

    def show(self, view: SearchView) -> None:
        """Ignore the view."""

    def say(self, text: str) -> None:
        """Ignore the line."""

    def finish(self) -> None:
        """Ignore the end."""
