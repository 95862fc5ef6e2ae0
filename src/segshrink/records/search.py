"""The record of a search, `search.json`, as frozen data, checked when it is read.

Shares lie in 0 to 1; `None` stands where something was not measured. Values that trials
tried are kept as they are, since a recipe may hold any plain data.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from segshrink.records.machine import Machine
from segshrink.records.measurement import (
    Count,
    DataRecord,
    Milliseconds,
    Share,
)
from segshrink.records.record import Record

State = Literal["complete", "pruned", "skipped", "failed"]
ObjectiveName = Literal["miou", "val_loss", "front"]
Number = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Bytes = Annotated[int, Field(gt=0)]
AtLeastOne = Annotated[int, Field(ge=1)]


class Limits(Record):
    """What the exported file of a trial may cost; `None` is no limit."""

    latency_ms: Milliseconds | None = None
    size_bytes: Bytes | None = None


class SearchedRange(Record):
    """The values that one field of the recipe may take.

    One of the first three is given: bounds of numbers, or a list of choices. With
    `when` the field is used only where others have the values it names.
    """

    float_bounds: Annotated[tuple[Number, Number] | None, Field(alias="float")] = None
    int_bounds: Annotated[tuple[int, int] | None, Field(alias="int")] = None
    choice: tuple[Any, ...] | None = None
    log: bool = False
    step: int | None = None
    when: Mapping[str, Any] | None = None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Least and greatest number; `None` for choices."""
        return self.float_bounds or self.int_bounds


class TeacherFigures(Record):
    """What the teacher has that all students are taught by."""

    miou: Share | None = None
    latency_ms: Milliseconds | None = None
    size_bytes: Bytes | None = None


class Trial(Record):
    """One trial.

    `pruned` was stopped early, `skipped` never trained since its untrained file was
    over a limit, `failed` came to no result. `epochs` are the values that the scheduler
    saw after each epoch.
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
    is_feasible: bool = True
    epochs: tuple[Number | None, ...] = ()
    seconds: Seconds = 0.0
    file: str | None = None


class SearchRecord(Record):
    """A whole search.

    `seconds` is the time on the clock, `trial_seconds` the sum over all trials, and
    `scheduling_seconds` what workers waited between two trials;
    `front` holds numbers of trials by rising latency, and `importance` shares in 0 to 1
    by field of the recipe.
    """

    format: Literal[1]
    objective: ObjectiveName
    trials: tuple[Trial, ...]
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
    best: Count | None = None
    front: tuple[Count, ...] = ()
    importance: Mapping[str, Share] = Field(default_factory=dict)

    @property
    def best_trial(self) -> Trial | None:
        """The best trial; `None` with several objectives, or where none counts."""
        return next((each for each in self.trials if each.number == self.best), None)

    @property
    def front_trials(self) -> tuple[Trial, ...]:
        """Trials that no other one beats in both mIoU and latency, fastest first."""
        by_number = {trial.number: trial for trial in self.trials}
        return tuple(by_number[number] for number in self.front)

    @property
    def default_trial(self) -> Trial | None:
        """The trial of the recipe's own values, if they were tried."""
        return next((each for each in self.trials if each.is_default), None)

    @property
    def chosen(self) -> tuple[Trial, ...]:
        """What the search is about: the front if that was asked for, else the best."""
        if self.objective == "front":
            return self.front_trials
        return (self.best_trial,) if self.best_trial else ()

    @property
    def share_outside_trials(self) -> float | None:
        """Share of the workers' time that went into no trial; `None` if unknown."""
        available = self.seconds * self.workers
        return max(0.0, 1 - self.trial_seconds / available) if available else None

    def in_state(self, state: State) -> tuple[Trial, ...]:
        """Trials that ended so, by number."""
        return tuple(trial for trial in self.trials if trial.state == state)
