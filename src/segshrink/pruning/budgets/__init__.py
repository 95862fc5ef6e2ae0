"""Budgets: limits on the cost of a pruned model."""

from segshrink.pruning.budgets.counted import MacsBudget, ParameterBudget
from segshrink.pruning.budgets.latency import LatencyBudget
from segshrink.pruning.budgets.problem import Allocation, Budget, Problem
from segshrink.pruning.budgets.size import SizeBudget

__all__ = [
    "Allocation",
    "Budget",
    "LatencyBudget",
    "MacsBudget",
    "ParameterBudget",
    "Problem",
    "SizeBudget",
]
