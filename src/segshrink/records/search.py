"""The record of a search, `search.json`, and of each of its trials.

Shares lie in 0 to 1; None stands where something was not measured. Values that trials
tried are kept unchecked, since a recipe may hold any plain data.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from segshrink.recipe.settings import Settings
from segshrink.records.machine import Machine
from segshrink.records.measurement import (
    Count,
    DataRecord,
    Latency,
    Milliseconds,
    Share,
)
from segshrink.records.record import SparseRecord

State = Literal["complete", "pruned", "skipped", "failed"]
ObjectiveName = Literal["miou", "val_loss", "front"]
Number = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Bytes = Annotated[int, Field(gt=0)]
AtLeastOne = Annotated[int, Field(ge=1)]


class Limits(Settings):
    """Limits on the exported file of a trial; None is no limit.

    A recipe states them in its section `search`, and the record repeats them.
    """

    latency_ms: float | None = Field(None, gt=0)
    size_bytes: int | None = Field(None, gt=0)


class SearchedRange(SparseRecord):
    """The values that one field of the recipe may take.

    One of the first three is given: bounds of numbers, or a list of choices. With
    `when` the field applies only where others have the values it names.
    """

    float_bounds: Annotated[tuple[Number, Number] | None, Field(alias="float")] = None
    int_bounds: Annotated[tuple[int, int] | None, Field(alias="int")] = None
    choice: tuple[Any, ...] | None = None
    log: bool = False
    step: int | None = None
    when: Mapping[str, Any] | None = None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Least and greatest number; None for choices."""
        return self.float_bounds or self.int_bounds


class TeacherFigures(SparseRecord):
    """Figures of the teacher that all students are distilled from."""

    miou: Share | None = None
    latency_ms: Milliseconds | None = None
    size_bytes: Bytes | None = None


class Trial(SparseRecord):
    """One trial, as the study and the record of a search hold it.

    `pruned` was stopped early, `skipped` was not trained since its untrained file was
    over a limit, `failed` came to no result. `epochs` are the values that the scheduler
    saw after each validated epoch, `remedy` is what kept the loss of an int8 file
    within the limit. The last four fields stay in the study: each timing of the file,
    the last of them in full, the best epoch of a trial that was stopped early, and the
    number of epochs that were trained.
    """

    number: Count
    state: State
    is_default: bool = False
    reason: str | None = None
    values: Mapping[str, Any] = Field(default_factory=dict)
    miou: Share | None = None
    val_loss: Number | None = None
    latency_ms: Milliseconds | None = None
    size_bytes: Bytes | None = None
    macs: Count | None = None
    parameters: Count | None = None
    remedy: str | None = None
    is_feasible: bool = True
    epochs: tuple[Number | None, ...] = ()
    seconds: Seconds = 0.0
    file: str | None = None
    timings_ms: tuple[Milliseconds, ...] = Field((), exclude=True)
    latency: Latency | None = Field(None, exclude=True)
    best_epoch_miou: Share | None = Field(None, exclude=True)
    trained_epochs: Count | None = Field(None, exclude=True)


class SearchRecord(SparseRecord):
    """A whole search.

    `seconds` is the wall-clock time, `trial_seconds` the sum over all trials, and
    `scheduling_seconds` the time that workers waited between two trials. `front` holds
    the numbers of the trials on the Pareto front by rising latency, and `importance`
    shares in 0 to 1 by field of the recipe.
    """

    format: Literal[1]
    objective: ObjectiveName
    of: Literal["student", "teacher"] = "student"
    limits: Limits = Limits()
    sampler: str = ""
    scheduler: str = ""
    trials_wanted: Count = 0
    seed: int | None = None
    workers: AtLeastOne = 1
    threads: AtLeastOne | None = None
    data: DataRecord = DataRecord()
    machine: Machine = Machine()
    segshrink: str = ""
    runtime: str | None = None
    runtime_version: str | None = None
    backend: str | None = None
    seconds: Seconds = 0.0
    trial_seconds: Seconds = 0.0
    scheduling_seconds: Seconds | None = None
    space: Mapping[str, SearchedRange] = Field(default_factory=dict)
    teacher: TeacherFigures | None = None
    trials: tuple[Trial, ...]
    best: Count | None = None
    front: tuple[Count, ...] = ()
    importance: Mapping[str, Share] = Field(default_factory=dict)

    @property
    def best_trial(self) -> Trial | None:
        """The best trial; None where none is within the limits."""
        return next((each for each in self.trials if each.number == self.best), None)

    @property
    def front_trials(self) -> tuple[Trial, ...]:
        """Trials on the Pareto front of mIoU and latency, fastest first."""
        by_number = {trial.number: trial for trial in self.trials}
        return tuple(by_number[number] for number in self.front)

    @property
    def default_trial(self) -> Trial | None:
        """The trial of the recipe's own values, if they were tried."""
        return next((each for each in self.trials if each.is_default), None)

    @property
    def chosen(self) -> tuple[Trial, ...]:
        """Result of the search: the Pareto front or the best trial, by objective."""
        if self.objective == "front":
            return self.front_trials
        return (self.best_trial,) if self.best_trial else ()

    @property
    def share_outside_trials(self) -> float | None:
        """Share of the workers' time outside trials; None if unknown."""
        available = self.seconds * self.workers
        return max(0.0, 1 - self.trial_seconds / available) if available else None

    def in_state(self, state: State) -> tuple[Trial, ...]:
        """Trials that ended in this state, by number."""
        return tuple(trial for trial in self.trials if trial.state == state)
