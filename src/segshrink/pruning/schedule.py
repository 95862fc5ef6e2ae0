"""Pruning in several steps, with training between them."""

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import keras

from segshrink.errors import UsageError
from segshrink.pruning.budgets import Budget
from segshrink.pruning.graph import plain_for_rules
from segshrink.pruning.plan import PruningPlan
from segshrink.pruning.planning import plan_pruning
from segshrink.records.plan import PlanRecord


class StepTarget(TypedDict, total=False):
    """The one argument of `plan_pruning` that says how far a step goes."""

    keep: float
    budget: Budget


def prune_in_steps(
    model: keras.Model,
    fine_tune: Callable[[keras.Model, int], Any],
    *,
    steps: int,
    keep: float | None = None,
    budget: Budget | None = None,
    **settings: Any,
) -> tuple[keras.Model, tuple[PruningPlan, ...]]:
    """Prune a little, train, and prune again; each step by the same factor.

    Channels are ranked again before each step, since training changes those that are
    left.

    Reference: Molchanov, Tyree, Karras, Aila, Kautz, Pruning Convolutional Neural
    Networks for Resource Efficient Inference, 2017.

    Args:
        model: as for `plan_pruning`; it is not changed.
        fine_tune: called with the smaller model, to be trained in place, and the number
            of the step, from 1; not after the last step.
        steps: int >= 1.
        keep: as for `plan_pruning`, a share of the given model.
        budget: likewise; it holds for the last step.
        **settings: further arguments of `plan_pruning`, for every step.

    Returns:
        The smaller model, and the plan of each step.

    Raises:
        UsageError: as `plan_pruning`, or if `steps` is below 1.
        ModelError: as `plan_pruning`.
    """
    plans: list[PruningPlan] = []
    model = plain_for_rules(model, settings.get("rules"))
    for step in range(1, steps + 1):
        done = [plan.as_record() for plan in plans]
        target = step_target(model, steps, done, keep=keep, budget=budget)
        plans.append(plan_pruning(model, **target, **settings))
        model = plans[-1].apply(model)
        if step < steps:
            fine_tune(model, step)
    if not plans:
        raise UsageError(f"steps must be at least 1, got {steps}.")
    return model, tuple(plans)


def step_target(
    model: keras.Model,
    steps: int,
    done: Sequence[PlanRecord],
    *,
    keep: float | None,
    budget: Budget | None,
) -> StepTarget:
    """`keep` or `budget` for the next of several steps.

    A step shrinks by the n-th root of the remaining factor, with n steps left, so that
    all steps are equally large and the last one ends where a single step would.

    Args:
        model: the model after the steps before.
        steps: number of steps in all.
        done: records of the plans of the steps before, see `PruningPlan.as_record`.
        keep: as for `plan_pruning`, over all steps.
        budget: likewise.

    Returns:
        Arguments of `plan_pruning`.
    """
    left = steps - len(done)
    if budget is None:
        share = 1.0 if keep is None else float(keep)
        for record in done:
            share /= _units_share(record)
        return {"keep": min(share, 1.0) ** (1 / left)}
    if left == 1 and (not done or budget.target > 1):
        return {"budget": budget}
    share = budget.share_left(model, done)
    if share >= 1:
        return {"keep": 1.0}
    return {"budget": budget.eased(model, share ** (1 / left))}


def _units_share(record: PlanRecord) -> float:
    before = sum(group.units_before for group in record.groups)
    if before == 0:
        return 1.0
    return sum(group.units_after for group in record.groups) / before
