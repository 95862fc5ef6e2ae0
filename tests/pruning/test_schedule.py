import numpy as np
import pytest

from segshrink.errors import UsageError
from segshrink.measuring import count_macs
from segshrink.pruning import (
    LatencyBudget,
    MacsBudget,
    ParameterBudget,
    SizeBudget,
    plan_pruning,
    prune_in_steps,
    step_target,
)
from segshrink.records.plan import MeasuredLatency, PlanRecord

from .networks import small_unet


def in_steps(model, steps, **target):
    trained = []
    smaller, plans = prune_in_steps(
        model,
        lambda model, step: trained.append((step, model.count_params())),
        steps=steps,
        **target,
    )
    assert trained == [
        (place, plan.parameters_after) for place, plan in enumerate(plans[:-1], start=1)
    ]
    return smaller, plans


def test_one_step_is_plan_pruning():
    model = small_unet()
    smaller, (plan,) = in_steps(model, 1, budget=MacsBudget(0.5), multiple_of=1)
    assert plan == plan_pruning(model, budget=MacsBudget(0.5), multiple_of=1)
    assert smaller.count_params() == plan.parameters_after


@pytest.mark.parametrize(
    ("budget", "cost"),
    [
        (MacsBudget(0.3), lambda model: count_macs(model).macs),
        (ParameterBudget(0.3), lambda model: model.count_params()),
    ],
)
@pytest.mark.parametrize("absolute", [False, True])
def test_steps_shrink_by_the_same_factor_and_end_within_the_budget(
    budget, cost, absolute
):
    model = small_unet()
    whole = cost(model)
    if absolute:
        budget = type(budget)(round(0.3 * whole))
    costs = []

    def trained(smaller, step):
        costs.append(cost(smaller))

    smaller, _ = prune_in_steps(model, trained, steps=3, budget=budget, multiple_of=1)
    costs.append(cost(smaller))
    shares = np.array(costs) / whole
    limits = 0.3 ** (np.arange(1, 4) / 3)
    assert (shares <= limits + 1e-9).all() and (shares > limits - 0.1).all()


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_keep_in_steps_keeps_what_one_step_keeps(scope):
    model = small_unet()
    _, plans = in_steps(model, 3, keep=0.4, multiple_of=1, scope=scope)
    units = [sum(group.units for group in plan.groups) for plan in plans]
    last = sum(len(group.kept) for group in plans[-1].groups)
    shares = np.array([*units[1:], last]) / units[0]
    np.testing.assert_allclose(shares, 0.4 ** (np.arange(1, 4) / 3), atol=0.06)


def test_channels_are_ranked_again_before_each_step():
    """Weights that change between two steps change the choice of the next one."""
    model = small_unet()
    name = next(layer for layer in plan_pruning(model, keep=0.5).groups[0].layers)

    def favour_the_last(smaller, step):
        kernel, *rest = smaller.get_layer(name).get_weights()
        kernel[..., :-2] *= 1e-3
        smaller.get_layer(name).set_weights([kernel, *rest])

    _, plans = prune_in_steps(
        model, favour_the_last, steps=2, keep=0.25, multiple_of=1, criterion="l1"
    )
    group = next(g for g in plans[1].groups if name in g.layers)
    assert {group.units - 2, group.units - 1} <= set(group.kept)


def test_a_step_that_overshot_leaves_nothing_for_the_next():
    done = [
        PlanRecord(
            parameters_before=2, parameters_after=1, macs_before=100, macs_after=20
        )
    ]
    target = step_target(small_unet(), 2, done, keep=None, budget=MacsBudget(0.25))
    assert target == {"keep": 1.0}


def test_measured_budgets_ease_towards_their_target():
    model = small_unet()
    size = step_target(model, 2, [], keep=None, budget=SizeBudget(6_000))["budget"]
    exported = plan_pruning(model, budget=SizeBudget(1e9)).measured.after
    assert size.target == pytest.approx((6_000 * exported) ** 0.5)
    measured = MeasuredLatency(
        unit="ms",
        runtime="onnx",
        threads=1,
        quantize=None,
        before=8.0,
        target=4.0,
        predicted=4.0,
        after=4.0,
    )
    done = [PlanRecord(parameters_before=2, parameters_after=1, measured=measured)]
    latency = LatencyBudget(0.25, runtime="onnx")
    found = step_target(model, 3, done, keep=None, budget=latency)["budget"]
    assert found == LatencyBudget(0.5**0.5, runtime="onnx")
    last = step_target(model, 2, done, keep=None, budget=LatencyBudget(3.5))
    assert last == {"budget": LatencyBudget(3.5)}


def test_no_step_is_refused():
    with pytest.raises(UsageError, match="steps must be at least 1, got 0"):
        prune_in_steps(small_unet(), lambda model, step: None, steps=0, keep=0.5)
