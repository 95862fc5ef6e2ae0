"""Budgets of costs that are counted without running the model."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from segshrink.errors import UsageError
from segshrink.measuring import count_macs
from segshrink.pruning.budgets.problem import (
    Allocation,
    Problem,
    cannot_be_met,
    require_target,
    share_of_done,
)
from segshrink.pruning.importance import FloatArray
from segshrink.records.plan import BudgetRecord, PlanRecord


@dataclass(frozen=True)
class MacsBudget:
    """Limit on the multiply-accumulates for one image.

    Fewer of them do not guarantee less latency; see `LatencyBudget`.

    Args:
        target: up to 1 a share of the model's, above 1 a number.

    Raises:
        UsageError: if `target` is not a number above 0.
    """

    target: float

    def __post_init__(self) -> None:
        require_target("MacsBudget", self.target, "a share or a number above 0")

    def solve(self, problem: Problem) -> Allocation:
        """See `Budget`; the image size must be fixed."""
        if not problem.costs.fixed:
            raise UsageError(
                f"{problem.model.name}: MACs can only be counted for a model whose "
                f"images have a fixed size, got {problem.model.input_shape}. "
                "Build it for one size, or use ParameterBudget."
            )
        prices = problem.costs.prices(macs=1.0, depthwise_macs=1.0)
        return _within(problem, prices, self.target, "MACs")

    def share_left(self, model: keras.Model, done: Sequence[PlanRecord]) -> float:
        """See `Budget`."""
        if self.target > 1:
            return self.target / count_macs(model).macs
        ratios = [
            plan.macs_after / plan.macs_before
            for plan in done
            if plan.macs_before and plan.macs_after is not None
        ]
        return share_of_done(self.target, ratios)

    def eased(self, model: keras.Model, share: float) -> "MacsBudget":
        """See `Budget`."""
        return MacsBudget(share)

    def as_record(self) -> BudgetRecord:
        """The budget as it stands in the record of a plan."""
        return BudgetRecord(kind="macs", target=self.target)


@dataclass(frozen=True)
class ParameterBudget:
    """Limit on the number of weights, normalization statistics included.

    Args:
        target: up to 1 a share of the model's, above 1 a number.

    Raises:
        UsageError: if `target` is not a number above 0.
    """

    target: float

    def __post_init__(self) -> None:
        require_target("ParameterBudget", self.target, "a share or a number above 0")

    def solve(self, problem: Problem) -> Allocation:
        """See `Budget`."""
        prices = problem.costs.prices(parameters=1.0)
        return _within(problem, prices, self.target, "parameters")

    def share_left(self, model: keras.Model, done: Sequence[PlanRecord]) -> float:
        """See `Budget`."""
        if self.target > 1:
            return self.target / model.count_params()
        ratios = [plan.parameters_after / plan.parameters_before for plan in done]
        return share_of_done(self.target, ratios)

    def eased(self, model: keras.Model, share: float) -> "ParameterBudget":
        """See `Budget`."""
        return ParameterBudget(share)

    def as_record(self) -> BudgetRecord:
        """The budget as it stands in the record of a plan."""
        return BudgetRecord(kind="parameters", target=self.target)


def _within(
    problem: Problem, prices: FloatArray, target: float, unit: str
) -> Allocation:
    whole = problem.price_of(prices, problem.costs.sizes)
    limit = target * whole if target <= 1 else target
    kept = problem.spread(prices, limit)
    if problem.price_of(prices, kept) > limit:
        least = problem.price_of(prices, problem.least())
        raise cannot_be_met(
            f"{limit:,.0f} {unit}", f"{least:,.0f} of {whole:,.0f} {unit}"
        )
    return Allocation(kept)
