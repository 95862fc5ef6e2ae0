"""A trial in work, as its files tell of it, and one that has ended."""

import csv
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, Trial

from segshrink.search.files import GO, HISTORY, PROBE
from segshrink.search.processes import Handle
from segshrink.search.ranking import is_feasible
from segshrink.search.space import SearchRecipe
from segshrink.search.study import values_of
from segshrink.search.view import TrialView


@dataclass
class RunningTrial:
    """A trial in work.

    Attributes:
        trial: as the study has it.
        folder: where its process works.
        slot: which of the workers it is at.
        values: recipe fields and the values that are tried.
        epochs: epochs in all.
        handle: its process.
        earlier_seconds: that it took before the search was stopped and went on.
        began: when it began since then, on the monotonic clock.
        starts: how often its process was started since then.
        reported: what the study was told of its epochs.
        mious: mean IoU of its epochs on the validation part.
        facts: what else was found out, such as the size of the file.
        said_alive: when the study was last told that it is in work.
    """

    trial: Trial
    folder: Path
    slot: int
    values: dict[str, Any]
    epochs: int
    handle: Handle
    earlier_seconds: float
    began: float = field(default_factory=time.monotonic)
    starts: int = 1
    reported: list[float] = field(default_factory=list)
    mious: list[float] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    said_alive: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it has taken, with all starts."""
        return self.earlier_seconds + time.monotonic() - self.began

    @property
    def waits(self) -> bool:
        """Whether its file was made before training and waits for a judgement."""
        return (self.folder / PROBE).is_file() and not (self.folder / GO).is_file()

    def new_epochs(self, objective: str) -> list[tuple[int, float]]:
        """Epochs and values of the objective that the study was not told yet.

        A front has mean IoU here, since latency does not change.
        """
        rows = _history(self.folder)
        self.mious = [float(row["val_miou"]) for row in rows if row.get("val_miou")]
        column = "val_loss" if objective == "val_loss" else "val_miou"
        known = [
            (int(row["epoch"]), float(row[column])) for row in rows if row.get(column)
        ]
        return known[len(self.reported) :]

    def view(self) -> TrialView:
        """The trial as it is shown."""
        return TrialView(
            number=self.trial.number,
            state="running",
            stage=self._stage(),
            values=self.values,
            epoch=len(self.reported),
            epochs=self.epochs,
            miou=max(self.mious, default=None),
            latency_ms=self.facts.get("latency_ms"),
            size_bytes=self.facts.get("size_bytes"),
            seconds=self.seconds,
        )

    def _stage(self) -> str:
        if len(self.reported) >= self.epochs:
            return "exporting"
        if self.waits:
            return "timing"
        is_training = self.reported or (self.folder / GO).is_file()
        return "training" if is_training else "starting"


def ended_view(trial: FrozenTrial, asked: SearchRecipe) -> TrialView:
    """An ended trial as it is shown."""
    facts = trial.user_attrs
    return TrialView(
        number=trial.number,
        state=facts["outcome"],
        values=values_of(trial, asked),
        epoch=len(facts.get("epochs", ())),
        miou=facts.get("miou", facts.get("best_epoch_miou")),
        latency_ms=facts.get("latency_ms"),
        size_bytes=facts.get("size_bytes"),
        reason=facts.get("reason"),
        seconds=facts.get("seconds", 0.0),
        is_feasible=is_feasible(trial),
    )


def _history(folder: Path) -> list[dict[str, str]]:
    path = folder / HISTORY
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
