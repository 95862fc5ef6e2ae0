"""Criteria: functions from the weights of a group to one score for each unit."""

from collections.abc import Mapping

from segshrink.pruning.criteria.l2 import l2
from segshrink.pruning.importance import Criterion

CRITERIA: Mapping[str, Criterion] = {"l2": l2}

__all__ = ["CRITERIA", "l2"]
