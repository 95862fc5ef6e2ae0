"""A pruning plan: which channels stay, decided before anything is changed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import keras
import numpy as np

from segshrink.errors import ModelError, UsageError
from segshrink.progress import Progress, SilentProgress
from segshrink.pruning.budgets import Allocation, Budget, Problem
from segshrink.pruning.channels import ChannelIds
from segshrink.pruning.cost import Costs
from segshrink.pruning.criteria import CRITERIA
from segshrink.pruning.graph import (
    ChannelGraph,
    ChannelGroup,
    FrozenChannels,
    trace,
)
from segshrink.pruning.importance import (
    Criterion,
    FloatArray,
    group_weights,
    importance,
)
from segshrink.pruning.rules import Rule
from segshrink.pruning.selection import SCOPES, Counts, kept_first, rounded
from segshrink.pruning.surgery import (
    LayerCut,
    cut_model,
    layer_cuts,
    parameters_removed,
    zero_model,
)
from segshrink.pruning.table import plan_table

# Runtimes compute channels in blocks of the width of their vector registers.
_MULTIPLE = 8
_FINER_MULTIPLE = 4


@dataclass(frozen=True)
class PlannedGroup:
    """What stays of one group of channels.

    Attributes:
        layers: names of the layers that make the channels, in the model's order.
        units: number of units before; a unit is what can only leave at once.
        kept: indices of the units that stay, ascending.
        parameters_share: share of the model's parameters that hang on the group, in
            0..1; a kernel hangs on the group that it reads and on the one that it
            makes, so that shares add up to more than 1.
        macs_share: the same of multiply-accumulates; None if the image size is open.
    """

    layers: tuple[str, ...]
    units: int
    kept: tuple[int, ...]
    parameters_share: float
    macs_share: float | None


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
        macs_before: multiply-accumulates for one image; None if its size is open.
        macs_after: the same, of the smaller model.
        measured: what a measured budget predicted and found, as plain data.
        cuts: what to cut from each weight and config.
    """

    model: str
    settings: Mapping[str, Any]
    groups: tuple[PlannedGroup, ...]
    layers: tuple[PlannedLayer, ...]
    frozen: tuple[FrozenChannels, ...]
    parameters_before: int
    parameters_after: int
    macs_before: int | None
    macs_after: int | None
    measured: Mapping[str, Any]
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
            "macs_before": self.macs_before,
            "macs_after": self.macs_after,
            "measured": dict(self.measured),
            "groups": [
                {
                    "layers": list(group.layers),
                    "units_before": group.units,
                    "units_after": len(group.kept),
                    "kept": list(group.kept),
                    "parameters_share": group.parameters_share,
                    "macs_share": group.macs_share,
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
    keep: float | None = None,
    budget: Budget | None = None,
    criterion: str | Criterion = "l2",
    scope: Literal["layer", "global"] | None = None,
    multiple_of: int | None = None,
    skip: Sequence[str] = (),
    rules: Mapping[type | str, Rule | None] | None = None,
    progress: Progress | None = None,
) -> PruningPlan:
    """Decide which channels of a model leave; the model is not changed.

    Channels that only make sense together (operands of an addition, inputs and outputs
    of a depthwise convolution) form one unit and leave together. Channels of model
    inputs and outputs stay, and so does all that goes in or out of a layer without a
    rule; `frozen` in the plan says why.

    Args:
        model: a built Functional or Sequential model.
        keep: share of the units to keep, in (0, 1]. With scope "layer" of each group,
            rounded to the nearest allowed count; with "global" at most this share of
            all units together. Frozen channels are not counted.
        budget: instead of `keep`, what the smaller model may cost: a `MacsBudget`,
            `ParameterBudget`, `SizeBudget` or `LatencyBudget`. It is never exceeded.
        criterion: a name in `CRITERIA`, or a function from `GroupWeights` to one score
            for each unit.
        scope: "layer" keeps the same share of every group; "global" takes first what
            matters least for what it costs, see `segshrink.pruning.selection`. By
            default "layer" with `keep` and "global" with a budget.
        multiple_of: channel counts are multiples of this, but never 0 and never above
            the whole group; a group of fewer channels stays whole. None is 8, or with a
            `LatencyBudget` 4 where that measures better.
        skip: names of layers, or of nested models, whose output channels stay. A layer
            in a nested model is called `model/layer`.
        rules: rules for custom layers, see `segshrink.pruning.rules`.
        progress: told of candidates that a budget exports and measures.

    Returns:
        The plan; `plan.apply(model)` makes the smaller model.

    Raises:
        UsageError: if an argument is out of range, unknown, missing or without effect,
            or the budget cannot be met.
        ModelError: if the model is not built, not Functional or Sequential, or if no
            channel of it may leave though one should.
        ValueError: if the criterion does not give one finite number a unit.
    """
    score = _checked_settings(keep, budget, criterion, scope, multiple_of)
    scope = scope or ("layer" if budget is None else "global")
    graph = trace(model, rules)
    _keep_skipped(graph, skip)
    groups = graph.groups()
    weights = [group_weights(graph, group) for group in groups]
    scores = [importance(score, of_group) for of_group in weights]
    steps = [_step(graph, group, multiple_of or _MULTIPLE) for group in groups]
    finer = None
    if multiple_of is None:
        finer = [_step(graph, group, _FINER_MULTIPLE) for group in groups]
    if budget is not None or (keep is not None and keep < 1):
        _require_groups(model, graph)
    if budget is not None:
        _require_room(model, groups, steps)
    orders = [kept_first(of_group) for of_group in scores]
    problem = Problem(
        model=model,
        costs=Costs(graph, groups, orders),
        scores=[group[order] for group, order in zip(scores, orders, strict=True)],
        steps=steps,
        finer=finer,
        scope=SCOPES[scope],
        candidate=lambda counts: _candidate(model, graph, orders, counts),
        progress=progress or SilentProgress(),
    )
    solved = _solve(problem, keep, budget, scope)
    settings = {
        "keep": keep,
        "budget": None if budget is None else budget.as_record(),
        "criterion": getattr(score, "__name__", type(score).__name__),
        "scope": scope,
        "multiple_of": multiple_of if budget is not None else multiple_of or _MULTIPLE,
        "skip": list(skip),
    }
    kept = _first(orders, solved.kept)
    return make_plan(model, graph, kept, settings, measured=solved.measured)


def _solve(
    problem: Problem, keep: float | None, budget: Budget | None, scope: str
) -> Allocation:
    if budget is not None:
        return budget.solve(problem)
    share, sizes = float(keep or 1), problem.costs.sizes
    if scope == "global":
        prices = problem.costs.prices(units=1.0)
        return Allocation(problem.spread(prices, share * float(sizes.sum())))
    pairs = zip(sizes.tolist(), problem.steps, strict=True)
    kept = [rounded(share * size, size, step) for size, step in pairs]
    return Allocation(np.array(kept, dtype=np.int64))


def _first(orders: Sequence[ChannelIds], counts: Counts) -> list[ChannelIds]:
    """Ascending indices of the units that stay in each group."""
    pairs = zip(orders, counts.tolist(), strict=True)
    return [np.sort(order[:count]) for order, count in pairs]


def _candidate(
    model: keras.Model,
    graph: ChannelGraph,
    orders: Sequence[ChannelIds],
    counts: Counts,
) -> keras.Model:
    return cut_model(model, layer_cuts(graph, _gone(graph, _first(orders, counts))))


def _gone(graph: ChannelGraph, kept: Sequence[ChannelIds]) -> ChannelIds:
    groups = zip(graph.groups(), kept, strict=True)
    removed = [np.delete(group.units, stay) for group, stay in groups]
    return np.concatenate([*removed, np.empty(0, dtype=np.int64)])


def _step(graph: ChannelGraph, group: ChannelGroup, multiple_of: int) -> int:
    """What the number of units must be a multiple of, for channels to be.

    A unit may hold several channels of a layer, such as one of each of 4 groups of a
    grouped convolution.
    """
    widths = 0
    for producer in graph.producers:
        if producer.name in group.layers:
            units = group.units_of(graph.space.roots(producer.ids))
            counts = np.bincount(units[units >= 0], minlength=len(group.units))
            widths = math.gcd(widths, *counts.tolist())
    return multiple_of // math.gcd(multiple_of, widths)


def make_plan(
    model: keras.Model,
    graph: ChannelGraph,
    kept: Sequence[ChannelIds],
    settings: Mapping[str, Any],
    *,
    measured: Mapping[str, Any] | None = None,
) -> PruningPlan:
    """A plan from the indices of the units that stay in each of `graph.groups()`."""
    groups = graph.groups()
    gone = _gone(graph, kept)
    cuts = layer_cuts(graph, gone)
    orders = [
        np.concatenate([stay, np.setdiff1d(np.arange(len(group.units)), stay)])
        for group, stay in zip(groups, kept, strict=True)
    ]
    costs = Costs(graph, groups, orders)
    macs = costs.prices(macs=1.0, pointwise_macs=1.0)
    counts = np.array([len(stay) for stay in kept], dtype=np.int64)
    before, whole = model.count_params(), costs.terms(costs.counts(costs.sizes))
    after = costs.terms(costs.counts(counts))
    return PruningPlan(
        model=model.name,
        settings=settings,
        groups=tuple(
            PlannedGroup(
                group.layers,
                len(group.units),
                tuple(stay.tolist()),
                parameters_share=_share(costs.prices(parameters=1.0), whole, touched),
                macs_share=_share(macs, whole, touched) if costs.fixed else None,
            )
            for group, stay, touched in zip(groups, kept, costs.touched, strict=True)
        ),
        layers=_planned_layers(graph, gone),
        frozen=graph.frozen(),
        parameters_before=before,
        parameters_after=before - parameters_removed(cuts),
        macs_before=round(float(macs @ whole)) if costs.fixed else None,
        macs_after=round(float(macs @ after)) if costs.fixed else None,
        measured=dict(measured or {}),
        cuts=cuts,
    )


def _share(prices: FloatArray, values: FloatArray, touched: ChannelIds) -> float:
    total = float(prices @ values)
    return float(prices[touched] @ values[touched]) / total if total else 0.0


def prune_channels(model: keras.Model, **settings: Any) -> keras.Model:
    """Plan and apply in one step; arguments and errors are those of `plan_pruning`.

    Returns:
        A smaller plain Keras model; `model` is not changed.
    """
    return plan_pruning(model, **settings).apply(model)


def _planned_layers(graph: ChannelGraph, gone: ChannelIds) -> tuple[PlannedLayer, ...]:
    planned = []
    for producer in graph.producers:
        stays = ~np.isin(graph.space.roots(producer.ids), gone)
        kept = tuple(np.flatnonzero(stays).tolist())
        planned.append(PlannedLayer(producer.name, len(stays), kept))
    return tuple(planned)


def _checked_settings(
    keep: float | None,
    budget: Budget | None,
    criterion: str | Criterion,
    scope: str | None,
    multiple_of: int | None,
) -> Criterion:
    if (keep is None) == (budget is None):
        raise UsageError("Give either keep or budget, one of them and not both.")
    if keep is not None and not 0 < keep <= 1:
        raise UsageError(f"keep must be above 0 and at most 1, got {keep}.")
    if budget is not None and not callable(getattr(budget, "solve", None)):
        raise UsageError(
            "budget must be a MacsBudget, ParameterBudget, SizeBudget or "
            f"LatencyBudget, got {budget!r}. For a share of channels use keep."
        )
    if multiple_of is not None and multiple_of < 1:
        raise UsageError(f"multiple_of must be at least 1, got {multiple_of}.")
    if scope is not None and scope not in SCOPES:
        raise UsageError(f"scope must be one of {', '.join(SCOPES)}, got {scope!r}.")
    if callable(criterion):
        return criterion
    if criterion not in CRITERIA:
        raise UsageError(
            f"criterion must be one of {', '.join(CRITERIA)}, or a function, "
            f"got {criterion!r}."
        )
    return CRITERIA[criterion]


def _keep_skipped(graph: ChannelGraph, skip: Sequence[str]) -> None:
    if isinstance(skip, str):
        raise UsageError(f"skip must be a list of layer names, got {skip!r}.")
    unknown = []
    for name in skip:
        try:
            graph.keep_layer(name, f"skipped: {name}")
        except KeyError:
            unknown.append(name)
    if unknown:
        raise UsageError(
            f"skip names layers that the model does not have: {', '.join(unknown)}. "
            f"It has: {', '.join(graph.layers)}."
        )


def _require_groups(model: keras.Model, graph: ChannelGraph) -> None:
    if not graph.groups():
        reasons = [f"  {kept.layer}: {kept.reason}" for kept in graph.frozen()]
        lines = [f"{model.name}: no channel of this model may leave.", *reasons]
        raise ModelError("\n".join(lines))


def _require_room(
    model: keras.Model, groups: Sequence[ChannelGroup], steps: Sequence[int]
) -> None:
    if all(len(g.units) <= step for g, step in zip(groups, steps, strict=True)):
        raise ModelError(
            f"{model.name}: the model is already at its minimum. No group has more "
            "channels than one multiple; lower multiple_of."
        )
