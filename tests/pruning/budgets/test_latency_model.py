"""The latency model against times that are computed from known prices."""

import numpy as np
import pytest

from segshrink.models import build_model
from segshrink.pruning.budgets.latency_model import LatencyModel, Sample
from segshrink.pruning.cost import Blocks, Costs
from segshrink.pruning.graph import trace


@pytest.fixture(scope="module")
def costs():
    unet = build_model(
        "unet", num_classes=3, input_shape=(32, 32, 3), base_filters=16, levels=2
    )
    graph = trace(unet)
    groups = graph.groups()
    return Costs(graph, groups, [np.arange(len(group.units)) for group in groups])


def samples_of(costs, blocks, count=16):
    """Samples of 2e-6 ms per MAC and 5e-6 ms per value in these blocks, plus 0.3 ms."""
    filled = costs.in_blocks(blocks)
    prices = filled.prices(macs=2e-6, pointwise_macs=2e-6, values=5e-6)
    random = np.random.default_rng(0)
    found = []
    for _ in range(count):
        kept = np.maximum(random.integers(0, costs.sizes // 2 + 1) * 2, 2)
        ms = float(prices @ filled.terms(filled.counts(kept))) + 0.3
        found.append(Sample(kept, ms))
    return found


@pytest.mark.parametrize(
    "blocks", [Blocks(), Blocks(outputs=8), Blocks(outputs=16, values=16)]
)
def test_blocks_and_prices_are_found(costs, blocks):
    samples = samples_of(costs, blocks)
    model = LatencyModel(costs, samples[:12])
    assert model.costs.blocks == blocks
    assert model.error < 1e-6
    np.testing.assert_allclose(model.coefficients, [2e-6, 2e-6, 5e-6, 0.3], rtol=1e-5)
    for sample in samples[12:]:
        assert model.predict(sample.kept) == pytest.approx(sample.ms, rel=1e-6)


def test_blocks_fill_up_what_is_made_and_not_what_is_read(costs):
    kept = np.full(len(costs.sizes), 4)
    bare, filled = costs.totals(kept), costs.in_blocks(Blocks(outputs=16)).totals(kept)
    whole = costs.totals(costs.sizes)
    assert filled["parameters"] == bare["parameters"]
    assert filled["values"] == bare["values"]
    assert filled["macs"] == 4 * bare["macs"]
    all_of_them = costs.in_blocks(Blocks(outputs=16)).totals(costs.sizes)
    assert all_of_them["macs"] == whole["macs"]


def test_the_bottleneck_of_each_layer_is_reported(costs):
    model = LatencyModel(costs, samples_of(costs, Blocks(outputs=16)))
    narrow = model.slowest(np.full(len(costs.sizes), 4), 3)
    assert {row.bound_by for row in narrow} == {"blocks"}
    wide = model.slowest(costs.sizes, 3)
    assert {row.bound_by for row in wide} == {"macs"}
    assert wide[0].before_ms == pytest.approx(wide[0].after_ms)


def test_the_parts_of_the_time_are_reported(costs):
    model = LatencyModel(costs, samples_of(costs, Blocks(outputs=16)))
    kept = np.full(len(costs.sizes), 4)
    parts, bare = model.parts(kept), costs.totals(kept)
    assert sum(parts.values()) == pytest.approx(model.predict(kept))
    multiplied = 2e-6 * (bare["macs"] + bare["pointwise_macs"])
    assert parts["macs"] == pytest.approx(multiplied, rel=1e-5)
    # Kernels compute 16 channels where there are 4, and so for every 3 classes.
    assert parts["blocks"] > 2.9 * multiplied
    assert parts["memory"] == pytest.approx(5e-6 * bare["values"], rel=1e-5)
    assert parts["constant"] == pytest.approx(0.3, rel=1e-5)


def test_half_of_a_block_is_bound_by_it(costs):
    model = LatencyModel(costs, samples_of(costs, Blocks(outputs=16)))
    rows = model.slowest(np.full(len(costs.sizes), 8), 3)
    assert {row.bound_by for row in rows} == {"blocks"}
