"""The search for a latency on a simulated machine of known speed that drifts."""

import numpy as np
import pytest

from segshrink.errors import UsageError
from segshrink.models import build_model
from segshrink.progress import SilentProgress
from segshrink.pruning import LatencyBudget
from segshrink.pruning.budgets import latency
from segshrink.pruning.budgets.latency_model import Sample
from segshrink.pruning.budgets.problem import Problem
from segshrink.pruning.cost import Blocks, Costs
from segshrink.pruning.graph import trace
from segshrink.pruning.selection import by_importance, utility


@pytest.fixture(scope="module")
def problem():
    unet = build_model("unet", num_classes=6, input_shape=(64, 64, 3), base_filters=16)
    graph = trace(unet)
    groups = graph.groups()
    random = np.random.default_rng(0)
    return Problem(
        model=unet,
        costs=Costs(graph, groups, [np.arange(len(group.units)) for group in groups]),
        scores=[np.sort(random.lognormal(0, 1, len(g.units)))[::-1] for g in groups],
        steps=[8] * len(groups),
        finer=[4] * len(groups),
        scope=by_importance,
        candidate=lambda kept: unet,
        progress=SilentProgress(),
    )


class Machine:
    """A bench whose time is 2e-7 ms per MAC in blocks of 16, plus 0.5 ms, with noise.

    It replaces the machine only: `test_budgets.py` exports and times real files. The
    blocks that it `tells` may be others than those that it computes in.
    """

    def __init__(self, problem, noise, seed, blocks=Blocks(outputs=16), tells=None):  # noqa: B008
        self._costs = problem.costs.in_blocks(blocks)
        self._blocks = tells or blocks
        self._sizes = problem.costs.sizes
        self._noise, self._random = noise, np.random.default_rng(seed)

    def expect(self, candidates):
        pass

    def blocks(self):
        return self._blocks

    def true_ms(self, kept):
        prices = self._costs.prices(macs=2e-7)
        return float(prices @ self._costs.terms(self._costs.counts(kept))) + 0.5

    def time(self, candidates, *, longer=1):
        drift = self._random.uniform(0.9, 1.1)
        ms = [
            self.true_ms(kept) * drift * np.exp(self._noise * self._random.normal())
            for kept in [self._sizes, *candidates]
        ]
        samples = [Sample(k, m) for k, m in zip(candidates, ms[1:], strict=True)]
        return ms[0], samples


def best_within(problem, machine, share):
    """Utility of the best plan when the speed of the machine is known."""
    costs = problem.costs.in_blocks(Blocks(outputs=16))
    prices = costs.prices(macs=2e-7)
    limit = share * machine.true_ms(problem.costs.sizes) - 0.5
    kept = by_importance(
        costs, prices, limit, scores=problem.scores, steps=problem.steps
    )
    return utility(problem.scores, kept)


@pytest.mark.parametrize("share", [0.3, 0.6])
@pytest.mark.parametrize("seed", range(6))
def test_noise_costs_little(problem, share, seed):
    machine = Machine(problem, noise=0.015, seed=seed)
    found = latency._search(LatencyBudget(share), problem, machine)
    assert found.measured.after <= found.measured.target
    truth = machine.true_ms(found.kept) / machine.true_ms(problem.costs.sizes)
    assert truth < 1.05 * share
    # Utilities are negative: the best is -1 per group.
    best = best_within(problem, machine, share)
    assert utility(problem.scores, found.kept) > 1.15 * best


def test_a_quiet_machine_is_met_closely(problem):
    machine = Machine(problem, noise=0, seed=0)
    found = latency._search(LatencyBudget(0.4), problem, machine)
    assert 0.97 < found.measured.after / found.measured.target <= 1
    assert found.measured.predicted == pytest.approx(found.measured.after, 0.01)
    assert found.measured.blocks.outputs == 16
    assert found.measured.candidates_timed <= 14


@pytest.mark.parametrize("share", [0.25, 0.5])
@pytest.mark.parametrize(
    "blocks", [Blocks(outputs=16, inputs=16), Blocks(outputs=32, narrow=16)]
)
def test_plans_that_know_the_blocks_keep_more_at_the_same_latency(
    problem, blocks, share
):
    kept = {}
    for tells in (blocks, Blocks(outputs=8)):
        machine = Machine(problem, noise=0, seed=0, blocks=blocks, tells=tells)
        found = latency._search(LatencyBudget(share), problem, machine)
        assert machine.true_ms(found.kept) <= share * machine.true_ms(
            problem.costs.sizes
        ) * (1 + 1e-9)
        kept[tells] = utility(problem.scores, found.kept)
    assert kept[blocks] > kept[Blocks(outputs=8)]


def test_finer_counts_are_for_what_coarse_ones_cannot_reach(problem):
    machine = Machine(problem, noise=0, seed=0)
    whole = machine.true_ms(problem.costs.sizes)
    eights = machine.true_ms(problem.least()) / whole
    within = latency._search(LatencyBudget(1.02 * eights), problem, machine)
    assert all(kept % 8 == 0 for kept in within.kept)
    below = latency._search(LatencyBudget(0.9 * eights), problem, machine)
    assert any(kept % 8 for kept in below.kept) and max(below.kept) <= 8


def test_what_no_counts_reach_is_refused_with_the_least(problem):
    machine = Machine(problem, noise=0, seed=0)
    with pytest.raises(UsageError, match=r"cannot be met: .* ms are left"):
        latency._search(LatencyBudget(0.001), problem, machine)
