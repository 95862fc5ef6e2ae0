"""Pruning: channels that really leave, and the unstructured baseline that does not."""

from segshrink.pruning.budgets import (
    LatencyBudget,
    MacsBudget,
    ParameterBudget,
    SizeBudget,
)
from segshrink.pruning.criteria import CRITERIA
from segshrink.pruning.graph import FrozenChannels
from segshrink.pruning.importance import Criterion, GroupWeights, ProducerWeights
from segshrink.pruning.layer_call import Channels, LayerCall, Untraceable
from segshrink.pruning.magnitude import MagnitudePruning, zero_smallest_weights
from segshrink.pruning.masks import apply_channel_masks
from segshrink.pruning.plan import (
    PlannedGroup,
    PlannedLayer,
    PruningPlan,
)
from segshrink.pruning.planning import plan_pruning, prune_channels
from segshrink.pruning.recovery import (
    PositionSampling,
    reconstruct,
    reestimate_batch_norm,
)
from segshrink.pruning.rules import RULES, Rule
from segshrink.pruning.schedule import prune_in_steps, step_target

__all__ = [
    "CRITERIA",
    "RULES",
    "Channels",
    "Criterion",
    "FrozenChannels",
    "GroupWeights",
    "LatencyBudget",
    "LayerCall",
    "MacsBudget",
    "MagnitudePruning",
    "ParameterBudget",
    "PlannedGroup",
    "PlannedLayer",
    "PositionSampling",
    "ProducerWeights",
    "PruningPlan",
    "Rule",
    "SizeBudget",
    "Untraceable",
    "apply_channel_masks",
    "plan_pruning",
    "prune_channels",
    "prune_in_steps",
    "reconstruct",
    "reestimate_batch_norm",
    "step_target",
    "zero_smallest_weights",
]
