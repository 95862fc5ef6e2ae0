"""Criteria: functions from the weights of a group to one score for each unit."""

from collections.abc import Mapping

from segshrink.pruning.criteria.fisher import fisher
from segshrink.pruning.criteria.geometric_median import geometric_median
from segshrink.pruning.criteria.group_norm import group_norm
from segshrink.pruning.criteria.l1 import l1
from segshrink.pruning.criteria.l2 import l2
from segshrink.pruning.criteria.mean_activation import mean_activation
from segshrink.pruning.criteria.random import Random
from segshrink.pruning.criteria.slimming import slimming
from segshrink.pruning.criteria.taylor import taylor
from segshrink.pruning.importance import Criterion

CRITERIA: Mapping[str, Criterion] = {
    "l1": l1,
    "l2": l2,
    "group_norm": group_norm,
    "slimming": slimming,
    "geometric_median": geometric_median,
    "mean_activation": mean_activation,
    "taylor": taylor,
    "fisher": fisher,
    "random": Random(),
}

__all__ = [
    "CRITERIA",
    "Random",
    "fisher",
    "geometric_median",
    "group_norm",
    "l1",
    "l2",
    "mean_activation",
    "slimming",
    "taylor",
]
