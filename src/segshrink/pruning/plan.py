"""A pruning plan: which channels stay, decided before anything is changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import keras
import numpy as np

from segshrink.errors import ModelError, UsageError
from segshrink.pruning.channels import ChannelIds
from segshrink.pruning.criteria import CRITERIA
from segshrink.pruning.graph import ChannelGraph, FrozenChannels, trace
from segshrink.pruning.importance import Criterion, group_weights, importance
from segshrink.pruning.rules import Rule
from segshrink.pruning.selection import SCOPES, highest, rounded
from segshrink.pruning.surgery import (
    LayerCut,
    cut_model,
    layer_cuts,
    parameters_removed,
    zero_model,
)
from segshrink.pruning.table import plan_table


@dataclass(frozen=True)
class PlannedGroup:
    """What stays of one group of channels.

    Attributes:
        layers: names of the layers that make the channels, in the model's order.
        units: number of units before; a unit is what can only leave at once.
        kept: indices of the units that stay, ascending.
    """

    layers: tuple[str, ...]
    units: int
    kept: tuple[int, ...]


@dataclass(frozen=True)
class PlannedLayer:
    """What stays of the output of one layer that makes channels.

    Attributes:
        name: the layer.
        channels: number of output channels before.
        kept: indices of the output channels that stay, ascending.
    """

    name: str
    channels: int
    kept: tuple[int, ...]


@dataclass(frozen=True)
class PruningPlan:
    """Which channels stay, and what that does to every layer.

    A plan holds indices, not weights: it can be applied to the model it was made for,
    also after that model was trained further.

    Attributes:
        model: name of the model.
        settings: how the plan was made, as plain data.
        groups: groups of channels that may leave.
        layers: layers that make channels, with what stays of them.
        frozen: channels that must stay, and why.
        parameters_before: weight entries, BatchNormalization statistics included.
        parameters_after: the same, of the smaller model.
        cuts: what to cut from each weight and config.
    """

    model: str
    settings: Mapping[str, Any]
    groups: tuple[PlannedGroup, ...]
    layers: tuple[PlannedLayer, ...]
    frozen: tuple[FrozenChannels, ...]
    parameters_before: int
    parameters_after: int
    cuts: tuple[LayerCut, ...] = field(repr=False, compare=False)

    def apply(self, model: keras.Model) -> keras.Model:
        """A smaller plain model with the same layer names; `model` is not changed.

        Raises:
            ModelError: if the plan was made for another model.
        """
        return cut_model(model, self.cuts)

    def zero(self, model: keras.Model) -> keras.Model:
        """A copy of the same shapes in which the removed channels contribute nothing.

        Its outputs are those of `apply(model)`, up to the order of summation.

        Raises:
            ModelError: if the plan was made for another model.
        """
        return zero_model(model, self.cuts)

    def as_record(self) -> dict[str, Any]:
        """The plan as plain data for JSON, without the cuts that follow from it."""
        return {
            "model": self.model,
            "settings": dict(self.settings),
            "parameters_before": self.parameters_before,
            "parameters_after": self.parameters_after,
            "groups": [
                {
                    "layers": list(group.layers),
                    "units_before": group.units,
                    "units_after": len(group.kept),
                    "kept": list(group.kept),
                }
                for group in self.groups
            ],
            "layers": [
                {
                    "name": layer.name,
                    "channels_before": layer.channels,
                    "channels_after": len(layer.kept),
                    "kept": list(layer.kept),
                }
                for layer in self.layers
            ],
            "frozen": [
                {"layer": kept.layer, "channels": kept.channels, "reason": kept.reason}
                for kept in self.frozen
            ],
        }

    def __str__(self) -> str:
        return plan_table(self.as_record())


def plan_pruning(
    model: keras.Model,
    *,
    keep: float,
    criterion: str | Criterion = "l2",
    scope: Literal["layer", "global"] = "layer",
    multiple_of: int = 8,
    skip: Sequence[str] = (),
    rules: Mapping[type, Rule] | None = None,
) -> PruningPlan:
    """Decide which channels of a model leave; the model is not changed.

    Channels that only make sense together (operands of an addition, inputs and outputs
    of a depthwise convolution) form one unit and leave together. Channels of model
    inputs and outputs stay, and so does all that goes in or out of a layer without a
    rule; `frozen` in the plan says why.

    Args:
        model: a built Functional or Sequential model.
        keep: share of the units to keep, in (0, 1]. With scope "layer" of each group;
            with "global" of all units of all groups together, by importance relative
            to the group's mean. Frozen channels are not counted. The counts are then
            rounded, so the share that comes out may differ.
        criterion: "l2", or a function from `GroupWeights` to one score for each unit.
        scope: "layer" or "global".
        multiple_of: counts are rounded to the nearest multiple of this, but never to 0
            and never above the whole group; a group of fewer units stays whole.
        skip: names of layers whose output channels stay.
        rules: rules for custom layers, see `segshrink.pruning.rules`.

    Returns:
        The plan; `plan.apply(model)` makes the smaller model.

    Raises:
        UsageError: if an argument is out of range or unknown.
        ModelError: if the model is not built, not Functional or Sequential, or if no
            channel of it may leave though `keep` is below 1.
        ValueError: if the criterion does not give one finite number a unit.
    """
    score, count_kept = _checked_settings(keep, criterion, scope, multiple_of)
    graph = trace(model, rules)
    _keep_skipped(graph, skip)
    groups = graph.groups()
    if not groups and keep < 1:
        raise ModelError(_nothing_to_prune(model, graph))
    scores = [importance(score, group_weights(graph, group)) for group in groups]
    targets = count_kept(scores, keep) if groups else []
    kept = [
        highest(group, rounded(target, len(group), multiple_of))
        for group, target in zip(scores, targets, strict=True)
    ]
    settings = {
        "keep": keep,
        "criterion": getattr(score, "__name__", type(score).__name__),
        "scope": scope,
        "multiple_of": multiple_of,
        "skip": list(skip),
    }
    return make_plan(model, graph, kept, settings)


def make_plan(
    model: keras.Model,
    graph: ChannelGraph,
    kept: Sequence[ChannelIds],
    settings: Mapping[str, Any],
) -> PruningPlan:
    """A plan from the indices of the units that stay in each of `graph.groups()`."""
    groups = graph.groups()
    removed = [
        np.delete(group.units, stay) for group, stay in zip(groups, kept, strict=True)
    ]
    gone = np.concatenate([*removed, np.empty(0, dtype=np.int64)])
    cuts = layer_cuts(graph, gone)
    before = model.count_params()
    return PruningPlan(
        model=model.name,
        settings=settings,
        groups=tuple(
            PlannedGroup(group.layers, len(group.units), tuple(stay.tolist()))
            for group, stay in zip(groups, kept, strict=True)
        ),
        layers=_planned_layers(graph, gone),
        frozen=graph.frozen(),
        parameters_before=before,
        parameters_after=before - parameters_removed(cuts),
        cuts=cuts,
    )


def prune_channels(
    model: keras.Model,
    *,
    keep: float,
    criterion: str | Criterion = "l2",
    scope: Literal["layer", "global"] = "layer",
    multiple_of: int = 8,
    skip: Sequence[str] = (),
    rules: Mapping[type, Rule] | None = None,
) -> keras.Model:
    """Plan and apply in one step; arguments and errors are those of `plan_pruning`.

    Returns:
        A smaller plain Keras model; `model` is not changed.
    """
    plan = plan_pruning(
        model,
        keep=keep,
        criterion=criterion,
        scope=scope,
        multiple_of=multiple_of,
        skip=skip,
        rules=rules,
    )
    return plan.apply(model)


def _planned_layers(graph: ChannelGraph, gone: ChannelIds) -> tuple[PlannedLayer, ...]:
    planned = []
    for producer in graph.producers:
        stays = ~np.isin(graph.space.roots(producer.ids), gone)
        kept = tuple(np.flatnonzero(stays).tolist())
        planned.append(PlannedLayer(producer.name, len(stays), kept))
    return tuple(planned)


def _checked_settings(
    keep: float, criterion: str | Criterion, scope: str, multiple_of: int
) -> tuple[Criterion, Any]:
    if not 0 < keep <= 1:
        raise UsageError(f"keep must be above 0 and at most 1, got {keep}.")
    if multiple_of < 1:
        raise UsageError(f"multiple_of must be at least 1, got {multiple_of}.")
    if scope not in SCOPES:
        raise UsageError(f"scope must be one of {', '.join(SCOPES)}, got {scope!r}.")
    if callable(criterion):
        return criterion, SCOPES[scope]
    if criterion not in CRITERIA:
        raise UsageError(
            f"criterion must be one of {', '.join(CRITERIA)}, or a function, "
            f"got {criterion!r}."
        )
    return CRITERIA[criterion], SCOPES[scope]


def _keep_skipped(graph: ChannelGraph, skip: Sequence[str]) -> None:
    if isinstance(skip, str):
        raise UsageError(f"skip must be a list of layer names, got {skip!r}.")
    unknown = [name for name in skip if name not in graph.layers]
    if unknown:
        raise UsageError(
            f"skip names layers that the model does not have: {', '.join(unknown)}. "
            f"It has: {', '.join(graph.layers)}."
        )
    for name in skip:
        graph.keep_layer(name, f"skipped: {name}")


def _nothing_to_prune(model: keras.Model, graph: ChannelGraph) -> str:
    reasons = [f"  {kept.layer}: {kept.reason}" for kept in graph.frozen()]
    return "\n".join([f"{model.name}: no channel of this model may leave.", *reasons])
