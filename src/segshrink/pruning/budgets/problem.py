"""The problem that a budget solves, and its solution."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import keras
import numpy as np

from segshrink.errors import UsageError
from segshrink.progress import Progress
from segshrink.pruning.cost import Costs
from segshrink.pruning.importance import FloatArray
from segshrink.pruning.selection import Counts, Scope
from segshrink.records.plan import BudgetRecord, Measured, PlanRecord


@dataclass(frozen=True, eq=False)
class Problem:
    """A model of which some units are to leave.

    Attributes:
        model: the model, unpruned.
        costs: what it costs by the number of units that each group keeps.
        scores: for each group, scores of its units, highest first.
        steps: for each group, what its count must be a multiple of.
        finer: smaller steps that a measured budget may take instead, where it finds by
            measurement that the others do not reach it; None if they are settled.
        most: for each group, the most units that it may keep; None is all.
        scope: spreads a cost limit over the groups.
        candidate: builds the model that keeps so many units of each group.
        progress: receives every candidate that is built and measured.
    """

    model: keras.Model
    costs: Costs
    scores: Sequence[FloatArray]
    steps: Sequence[int]
    finer: Sequence[int] | None
    scope: Scope
    candidate: Callable[[Counts], keras.Model]
    progress: Progress
    most: Counts | None = None

    def spread(self, prices: FloatArray, limit: float) -> Counts:
        """Counts whose terms stay within `limit` at these prices."""
        return self.scope(
            self.costs,
            prices,
            limit,
            scores=self.scores,
            steps=self.steps,
            most=self.most,
        )

    def price_of(self, prices: FloatArray, kept: Counts) -> float:
        """Cost of the terms when each group keeps `kept` units."""
        return float(prices @ self.costs.terms(self.costs.counts(kept)))

    def grids(self) -> list["Problem"]:
        """This problem, then the one with finer steps below its least counts.

        Layers of very few channels cost more quality than their scores tell, so that
        no group may take such a count to leave room for another.
        """
        if self.finer is None:
            return [self]
        return [
            self,
            replace(self, steps=self.finer, finer=None, most=self.least()),
        ]

    def least(self) -> Counts:
        """The fewest units that the groups can keep."""
        pairs = zip(self.costs.sizes.tolist(), self.steps, strict=True)
        return np.array([min(size, step) for size, step in pairs], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Allocation:
    """Number of units that each group keeps, and what was measured to find it.

    Attributes:
        kept: one count per group.
        measured: measurements of a measured budget; None for one that is counted.
    """

    kept: Counts
    measured: Measured | None = None


class Budget(Protocol):
    """A limit on a cost, with a search for the units that keep it.

    Attributes:
        target: up to 1 a share of the cost of the model, above 1 a number.
    """

    @property
    def target(self) -> float:
        """See the class."""
        ...

    def solve(self, problem: Problem) -> Allocation:
        """Find counts within the budget.

        Raises:
            UsageError: if even the least possible counts exceed it.
        """
        ...

    def share_left(self, model: keras.Model, done: Sequence[PlanRecord]) -> float:
        """The budget as a share of the cost of a model that was pruned before.

        Args:
            model: as earlier steps left it.
            done: records of the plans of those steps.
        """
        ...

    def eased(self, model: keras.Model, share: float) -> "Budget":
        """A budget of the same kind, of a share in (0, 1) of the cost of `model`."""
        ...

    def as_record(self) -> BudgetRecord:
        """The budget as it stands in the record of a plan."""
        ...


def require_target(name: str, target: float, what: str, above: float = 0) -> None:
    """Raise `UsageError` unless a target is a finite number above a limit."""
    number = isinstance(target, (int, float)) and not isinstance(target, bool)
    if not number or not above < target < np.inf:
        raise UsageError(f"{name} must be {what}, got {target!r}.")


def cannot_be_met(wanted: str, least: str) -> UsageError:
    """The error for a budget below what pruning can reach."""
    return UsageError(
        f"The budget of {wanted} cannot be met: with every group at its least, {least} "
        "are left. Raise the budget, lower multiple_of, or skip fewer layers."
    )


def share_of_done(target: float, ratios: Sequence[float]) -> float:
    """The share that is left after steps with these ratios."""
    for ratio in ratios:
        target /= ratio
    return target
