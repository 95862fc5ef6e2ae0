"""A trial in progress, as its files show it."""

import csv
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from optuna.trial import Trial as OptunaTrial

from segshrink.recipe import Plain
from segshrink.records.measurement import Latency
from segshrink.records.search import State, Trial
from segshrink.records.trial import Permission, Probe, Result
from segshrink.search.paths import GO, HISTORY, PROBE
from segshrink.search.processes import Handle
from segshrink.search.watcher import TrialView


@dataclass
class Figures:
    """Figures of a trial's file that are known so far; None where one is not."""

    size_bytes: int | None = None
    macs: int | None = None
    parameters: int | None = None
    timings_ms: list[float] = field(default_factory=list)

    @property
    def latency_ms(self) -> float | None:
        """Median over all timings of the file."""
        return statistics.median(self.timings_ms) if self.timings_ms else None

    def take(self, found: Probe | Result) -> None:
        """Take over the figures that a file states."""
        self.size_bytes = found.size_bytes or self.size_bytes
        self.macs = self.macs if found.macs is None else found.macs
        if found.parameters is not None:
            self.parameters = found.parameters

    @classmethod
    def permitted(cls, folder: Path) -> "Figures":
        """Those with which the trial of a folder was let train; none if it was not."""
        if not (folder / GO).is_file():
            return cls()
        known = Permission.read(folder / GO)
        return cls(
            known.size_bytes, known.macs, known.parameters, list(known.timings_ms)
        )

    def permission(self) -> Permission:
        """These figures as permission to train."""
        return Permission(
            size_bytes=self.size_bytes,
            macs=self.macs,
            parameters=self.parameters,
            timings_ms=tuple(self.timings_ms),
            latency_ms=self.latency_ms,
        )


@dataclass
class RunningTrial:
    """A trial in progress.

    Attributes:
        trial: as the study has it.
        folder: where its process works.
        slot: number of its worker.
        values: recipe fields and the values that are tried.
        epochs: epochs in total.
        handle: its process.
        earlier_seconds: seconds that it took before the search was stopped.
        began: when it began since then, on the monotonic clock.
        starts: how often its process was started since then.
        trained: epochs that are trained.
        reported: values of its validated epochs that the study knows.
        mious: mean IoU of its epochs on the validation part.
        figures: figures of its file.
        last_alive: when the study was last informed that it is in progress.
    """

    trial: OptunaTrial
    folder: Path
    slot: int
    values: Mapping[str, Plain]
    epochs: int
    handle: Handle
    earlier_seconds: float
    began: float = field(default_factory=time.monotonic)
    starts: int = 1
    trained: int = 0
    reported: list[float] = field(default_factory=list)
    mious: list[float] = field(default_factory=list)
    figures: Figures = field(default_factory=Figures)
    last_alive: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds that it has taken over all starts."""
        return self.earlier_seconds + time.monotonic() - self.began

    @property
    def waits(self) -> bool:
        """Whether its probe waits to be judged."""
        return (self.folder / PROBE).is_file() and not (self.folder / GO).is_file()

    def new_epochs(self, objective: str) -> list[tuple[int, float]]:
        """Epochs that the study does not know yet, each with its objective.

        The objective `front` has mean IoU here, since latency does not change.
        """
        rows = _history(self.folder)
        self.trained = max((int(row["epoch"]) for row in rows), default=0)
        self.mious = [float(row["val_miou"]) for row in rows if row.get("val_miou")]
        column = "val_loss" if objective == "val_loss" else "val_miou"
        known = [
            (int(row["epoch"]), float(row[column])) for row in rows if row.get(column)
        ]
        return known[len(self.reported) :]

    def ended(
        self,
        state: State,
        reason: str | None = None,
        *,
        result: Result | None = None,
        latency: Latency | None = None,
        file: str | None = None,
    ) -> Trial:
        """The record of this trial when it ends.

        Args:
            state: how it ends.
            reason: why, if not with a result.
            result: of a complete trial.
            latency: last timing of the file of a complete trial.
            file: that file, relative to the folder of the search.
        """
        best_epoch = max(self.mious) if self.mious and result is None else None
        return Trial(
            number=self.trial.number,
            state=state,
            reason=reason,
            values=self.values,
            miou=result.miou if result else None,
            val_loss=result.val_loss if result else None,
            latency_ms=self.figures.latency_ms,
            size_bytes=self.figures.size_bytes,
            macs=self.figures.macs,
            parameters=self.figures.parameters,
            remedy=result.remedy if result else None,
            epochs=tuple(self.reported),
            seconds=round(self.seconds, 2),
            file=file,
            timings_ms=tuple(self.figures.timings_ms),
            latency=latency,
            best_epoch_miou=best_epoch,
            trained_epochs=self.trained,
        )

    def view(self) -> TrialView:
        """This trial as a watcher shows it."""
        return TrialView(
            number=self.trial.number,
            state="running",
            stage=self._stage(),
            values=self.values,
            epoch=self.trained,
            epochs=self.epochs,
            miou=max(self.mious, default=None),
            latency_ms=self.figures.latency_ms,
            size_bytes=self.figures.size_bytes,
            seconds=self.seconds,
        )

    def _stage(self) -> str:
        if self.trained >= self.epochs:
            return "exporting"
        if self.waits:
            return "timing"
        is_training = self.trained or (self.folder / GO).is_file()
        return "training" if is_training else "starting"


def _history(folder: Path) -> list[dict[str, str]]:
    path = folder / HISTORY
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
