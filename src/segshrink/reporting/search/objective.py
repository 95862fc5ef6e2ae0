"""Order of trials by the objective of the search."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from segshrink.records.search import ObjectiveName, SearchRecord, State, Trial
from segshrink.reporting.units import MISSING, human_percent

_STATE_ORDER: tuple[State, ...] = ("complete", "pruned", "skipped", "failed")
_FEWEST_TO_CUT = 6


@dataclass(frozen=True)
class Objective:
    """One number per trial: mIoU in per cent, or the validation loss.

    For a Pareto front it is the mIoU, since a picture by trial can show only one.
    """

    name: ObjectiveName

    @property
    def is_least_best(self) -> bool:
        """Whether a smaller number is the better one."""
        return self.name == "val_loss"

    @property
    def title(self) -> str:
        """Its name as a title begins."""
        return "Validation loss" if self.is_least_best else "mIoU"

    @property
    def label(self) -> str:
        """Name and unit, for an axis."""
        return "validation loss" if self.is_least_best else "mIoU, %"

    def of(self, trial: Trial) -> float | None:
        """The number of a trial that ran to the end."""
        if self.is_least_best:
            return trial.val_loss
        return None if trial.miou is None else 100 * trial.miou

    def shown(self, trial: Trial) -> float | None:
        """The number to show a trial with: if it was stopped early, its last."""
        seen = [value for value in trial.epochs if value is not None]
        if trial.state != "pruned" or not seen:
            return self.of(trial)
        return seen[-1] if self.is_least_best else 100 * seen[-1]

    def cost(self, value: float | None) -> float:
        """The value so that less is better; infinite where there is none."""
        if value is None:
            return math.inf
        return value if self.is_least_best else -value

    def is_better(self, one: float, other: float) -> bool:
        """Whether `one` is strictly better than `other`."""
        return self.cost(one) < self.cost(other)

    def text(self, value: float | None) -> str:
        """The number as people read it, without its unit."""
        if value is None:
            return MISSING
        return f"{value:.4g}" if self.is_least_best else human_percent(value / 100)


def with_result(record: SearchRecord) -> tuple[Trial, ...]:
    """Trials that ran to the end, within the limits or not, by number."""
    objective = Objective(record.objective)
    complete = record.in_state("complete")
    return tuple(trial for trial in complete if objective.of(trial) is not None)


def improvements(record: SearchRecord) -> list[tuple[int, float]]:
    """Numbers and values of the trials that are better than all before them.

    Trials over a limit do not count.
    """
    objective = Objective(record.objective)
    steps: list[tuple[int, float]] = []
    for trial in with_result(record):
        value = objective.of(trial)
        if value is None or not trial.is_feasible:
            continue
        if not steps or objective.is_better(value, steps[-1][1]):
            steps.append((trial.number, value))
    return steps


def ranked(record: SearchRecord) -> tuple[Trial, ...]:
    """All trials, best first.

    The chosen come first, then what else ran to the end, within the limits before over
    them, then what was stopped early, what was skipped, and what failed.
    """
    objective = Objective(record.objective)

    def place(trial: Trial) -> tuple[bool, int, bool, float, int]:
        return (
            trial not in record.chosen,
            _STATE_ORDER.index(trial.state),
            not trial.is_feasible,
            objective.cost(objective.shown(trial)),
            trial.number,
        )

    return tuple(sorted(record.trials, key=place))


def worst_shown(values: Sequence[float], objective: Objective) -> float | None:
    """Where an axis may end so that a few bad trials do not press the good together.

    Three times as far from the best as the median is; `None` where that cuts nothing
    off, or where there are too few trials to tell.
    """
    if len(values) < _FEWEST_TO_CUT:
        return None
    best = min(values, key=objective.cost)
    end = best + 3 * (sorted(values)[len(values) // 2] - best)
    cuts = end != best and any(objective.is_better(end, value) for value in values)
    return end if cuts else None
