"""Decide which channels of a model leave."""

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Literal

import keras
import numpy as np

from segshrink.errors import ModelError, UsageError
from segshrink.progress import Progress, SilentProgress
from segshrink.pruning.budgets import Allocation, Budget, Problem
from segshrink.pruning.channels import ChannelIds
from segshrink.pruning.cost import Costs
from segshrink.pruning.criteria import CRITERIA
from segshrink.pruning.data_statistics import Batch, DataStatistics
from segshrink.pruning.graph import (
    ChannelGraph,
    ChannelGroup,
    plain_for_rules,
    trace,
)
from segshrink.pruning.importance import Criterion, importance, weights_of_groups
from segshrink.pruning.plan import PruningPlan, make_plan, removed_ids
from segshrink.pruning.rules import Rule
from segshrink.pruning.selection import SCOPES, Counts, kept_first, rounded
from segshrink.pruning.surgery import cut_model, layer_cuts
from segshrink.records.plan import PlanSettings

# Runtimes compute channels in blocks of the width of their vector registers.
_MULTIPLE = 8
_FINER_MULTIPLE = 4


def plan_pruning(
    model: keras.Model,
    *,
    keep: float | None = None,
    budget: Budget | None = None,
    criterion: str | Criterion = "group_norm",
    scope: Literal["layer", "global"] | None = None,
    multiple_of: int | None = None,
    skip: Sequence[str] = (),
    rules: Mapping[type | str, Rule | None] | None = None,
    data: Batch | Iterable[Batch] | None = None,
    loss: Any = None,
    progress: Progress | None = None,
) -> PruningPlan:
    """Decide which channels of a model leave; the model is not changed.

    Channels that only make sense together (operands of an addition, inputs and outputs
    of a depthwise convolution) form one unit and leave together. Channels of model
    inputs and outputs stay, and so does all that goes in or out of a layer without a
    rule; `frozen` in the plan says why. Models and layers of other packages are planned
    as `segshrink.models.plain_model` makes plain ones of them.

    Args:
        model: a built Functional or Sequential model.
        keep: share of the units to keep, in (0, 1]. With scope "layer" of each group,
            rounded to the nearest allowed count; with "global" at most this share of
            all units together, or the least that `multiple_of` allows. Frozen channels
            are not counted.
        budget: limit on the cost of the smaller model, instead of `keep`: a
            `MacsBudget`, `ParameterBudget`, `SizeBudget` or `LatencyBudget`. It is
            never exceeded.
        criterion: a name in `CRITERIA`, or a function from `GroupWeights` to one score
            for each unit.
        scope: "layer" keeps the same share of every group; "global" first removes the
            units that matter least for their cost, see `segshrink.pruning.selection`.
            By default "layer" with `keep` and "global" with a budget.
        multiple_of: channel counts are multiples of this, but never 0 and never above
            the whole group; a group of fewer channels stays whole. None is 8, or with a
            `LatencyBudget` 4 where 8 cannot reach it.
        skip: names of layers, or of nested models, whose output channels stay. A layer
            in a nested model is called `model/layer`.
        rules: rules for custom layers, see `segshrink.pruning.rules`.
        data: images and labels for criteria that look at data: arrays (images, labels),
            or an iterable of such batches. Labels are class indices, one per pixel or
            one per image; 255 is void. A few dozen images are enough. Labels may be
            None for "mean_activation".
        loss: loss of labels and the model's output for "taylor" and "fisher", as
            `compile` takes it. By default the cross-entropy of logits without void.
        progress: receives the images that a criterion looks at, and the candidates
            that a budget exports and measures.

    Returns:
        The plan; `plan.apply(model)` makes the smaller model.

    Raises:
        UsageError: if an argument is out of range, unknown, missing or without effect,
            or the budget cannot be met.
        ModelError: if the model is not built, not Functional or Sequential, or if no
            channel of it may leave though one should.
        ValueError: if the criterion does not give one finite number per unit.
    """
    score = _checked_settings(keep, budget, criterion, scope, multiple_of)
    scope = scope or ("layer" if budget is None else "global")
    progress = progress or SilentProgress()
    model = plain_for_rules(model, rules)
    graph = _without_skipped(trace(model, rules), skip)
    groups = graph.groups()
    statistics = None
    if data is not None:
        statistics = DataStatistics(model, graph, data, loss=loss, progress=progress)
    weights = weights_of_groups(graph, groups, statistics)
    scores = [importance(score, of_group) for of_group in weights]
    _require_effect(score, groups, statistics, loss)
    steps = _steps(graph, groups, multiple_of or _MULTIPLE)
    _require_prunable(model, graph, steps, keep, budget)
    orders = [kept_first(of_group) for of_group in scores]
    problem = Problem(
        model=model,
        costs=Costs(graph, groups, orders),
        scores=[group[order] for group, order in zip(scores, orders, strict=True)],
        steps=steps,
        finer=_steps(graph, groups, _FINER_MULTIPLE) if multiple_of is None else None,
        scope=SCOPES[scope],
        candidate=lambda counts: _candidate(model, graph, orders, counts),
        progress=progress,
    )
    solved = _solve(problem, keep, budget, scope)
    settings = PlanSettings(
        keep=keep,
        budget=None if budget is None else budget.as_record(),
        criterion=_name(score),
        scope=scope,
        multiple_of=multiple_of if budget is not None else multiple_of or _MULTIPLE,
        skip=tuple(skip),
    )
    if statistics is not None:
        settings = settings.model_copy(update={"images": statistics.images})
    kept = _first(orders, solved.kept)
    return make_plan(
        model, graph, kept, settings, measured=solved.measured, costs=problem.costs
    )


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
    return cut_model(
        model, layer_cuts(graph, removed_ids(graph, _first(orders, counts)))
    )


def _steps(
    graph: ChannelGraph, groups: Sequence[ChannelGroup], multiple_of: int
) -> list[int]:
    return [_step(graph, group, multiple_of) for group in groups]


def _step(graph: ChannelGraph, group: ChannelGroup, multiple_of: int) -> int:
    """Step of the number of units that makes channels a multiple of `multiple_of`.

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


def prune_channels(model: keras.Model, **settings: Any) -> keras.Model:
    """Plan and apply in one step; arguments and errors are those of `plan_pruning`.

    Returns:
        A smaller plain Keras model; `model` is not changed.
    """
    return plan_pruning(model, **settings).apply(model)


def _checked_settings(
    keep: float | None,
    budget: Budget | None,
    criterion: str | Criterion,
    scope: str | None,
    multiple_of: int | None,
) -> Criterion:
    if (keep is None) == (budget is None):
        raise UsageError("Give either keep or budget, one of them and not both.")
    if keep is not None and not (_is_number(keep, Real) and 0 < keep <= 1):
        raise UsageError(f"keep must be above 0 and at most 1, got {keep!r}.")
    solves = callable(getattr(budget, "solve", None)) and not isinstance(budget, type)
    if budget is not None and not solves:
        raise UsageError(
            "budget must be a MacsBudget, ParameterBudget, SizeBudget or "
            f"LatencyBudget, got {budget!r}. For a share of channels use keep."
        )
    if multiple_of is not None and not (
        _is_number(multiple_of, Integral) and multiple_of >= 1
    ):
        raise UsageError(f"multiple_of must be an int from 1, got {multiple_of!r}.")
    if scope is not None and scope not in SCOPES:
        raise UsageError(f"scope must be one of {', '.join(SCOPES)}, got {scope!r}.")
    if callable(criterion):
        return criterion
    if not isinstance(criterion, str) or criterion not in CRITERIA:
        raise UsageError(
            f"criterion must be one of {', '.join(CRITERIA)}, or a function, "
            f"got {criterion!r}."
        )
    return CRITERIA[criterion]


def _is_number(value: Any, kind: type) -> bool:
    # True and False are numbers to Python.
    return isinstance(value, kind) and not isinstance(value, bool)


def _name(criterion: Criterion) -> str:
    return str(getattr(criterion, "__name__", type(criterion).__name__))


def _require_effect(
    criterion: Criterion,
    groups: Sequence[ChannelGroup],
    statistics: DataStatistics | None,
    loss: Any,
) -> None:
    """Refuse data or a loss that no score depends on."""
    if statistics is not None and groups and not statistics.used:
        raise UsageError(
            f"data has no effect with criterion {_name(criterion)}, which looks at "
            "weights only. Leave it out, or take mean_activation, taylor or fisher."
        )
    if loss is not None and groups and not (statistics and statistics.used_loss):
        raise UsageError(
            f"loss has no effect with criterion {_name(criterion)}. Leave it out, or "
            "take taylor or fisher, and give data."
        )


def _without_skipped(graph: ChannelGraph, skip: Sequence[str]) -> ChannelGraph:
    """The graph, in which the layers of these names are frozen."""
    is_list = isinstance(skip, Sequence) and not isinstance(skip, str)
    if not is_list or not all(isinstance(name, str) for name in skip):
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
    return graph


def _require_prunable(
    model: keras.Model,
    graph: ChannelGraph,
    steps: Sequence[int],
    keep: float | None,
    budget: Budget | None,
) -> None:
    """Refuse a model of which no channel may leave though one should."""
    if budget is None and (keep is None or keep >= 1):
        return
    groups = graph.groups()
    if not groups:
        reasons = [f"  {kept.layer}: {kept.reason}" for kept in graph.frozen()]
        lines = [f"{model.name}: no channel of this model may leave.", *reasons]
        raise ModelError("\n".join(lines))
    if budget is not None and all(
        len(group.units) <= step for group, step in zip(groups, steps, strict=True)
    ):
        raise ModelError(
            f"{model.name}: the model is already at its minimum. No group has more "
            "channels than one multiple; lower multiple_of."
        )
