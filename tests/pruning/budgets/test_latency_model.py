"""The latency model against times that are computed from known prices."""

from dataclasses import replace

import numpy as np
import pytest

from segshrink.models import build_model
from segshrink.pruning.budgets.latency_model import LatencyModel, Sample
from segshrink.pruning.cost import Blocks, Costs
from segshrink.pruning.graph import trace

PRICES = [2e-6, 0.0, 3e-6, 5e-6, 0.3]  # in the order of `FEATURES`


@pytest.fixture(scope="module")
def costs():
    unet = build_model(
        "unet", num_classes=3, input_shape=(32, 32, 3), base_filters=16, levels=2
    )
    graph = trace(unet)
    groups = graph.groups()
    return Costs(graph, groups, [np.arange(len(group.units)) for group in groups])


def samples_of(costs, blocks, count=16):
    """Samples of a machine with the prices of `PRICES` and these blocks."""
    filled = costs.in_blocks(blocks)
    prices = filled.prices(macs=2e-6, written=3e-6, values=5e-6)
    random = np.random.default_rng(0)
    found = []
    for _ in range(count):
        kept = np.maximum(random.integers(0, costs.sizes // 2 + 1) * 2, 2)
        ms = float(prices @ filled.terms(filled.counts(kept))) + 0.3
        found.append(Sample(kept, ms))
    return found


@pytest.mark.parametrize(
    "blocks",
    [
        Blocks(),
        Blocks(outputs=8),
        Blocks(outputs=16, values=16),
        Blocks(outputs=16, inputs=16),
        Blocks(outputs=32, narrow=16, values=16),
    ],
)
def test_prices_and_the_blocks_of_values_are_found(costs, blocks):
    samples = samples_of(costs, blocks)
    model = LatencyModel(costs, samples[:12], blocks=replace(blocks, values=1))
    assert model.costs.blocks == blocks
    assert model.error < 1e-6
    np.testing.assert_allclose(model.coefficients, PRICES, rtol=1e-5)
    for sample in samples[12:]:
        assert model.predict(sample.kept) == pytest.approx(sample.ms, rel=1e-6)


def test_blocks_fill_up_what_is_made_and_not_what_is_read(costs):
    kept = np.full(len(costs.sizes), 4)
    blocked = costs.in_blocks(Blocks(outputs=16))
    bare, filled = costs.totals(kept), blocked.totals(kept)
    assert filled["parameters"] == bare["parameters"]
    assert filled["values"] == bare["values"]
    few, full = (each.by_layer(macs(each, kept)) for each in (costs, blocked))
    # The layer of the logits makes 3 channels, all others 4.
    assert full.pop("logits") == pytest.approx(16 / 3 * few.pop("logits"))
    assert full == {layer: 4 * each for layer, each in few.items()}
    few, full = (each.by_layer(macs(each, costs.sizes)) for each in (costs, blocked))
    assert {**few, "logits": full["logits"]} == full


def macs(costs, kept):
    """MACs of each term."""
    return costs.prices(macs=1.0) * costs.terms(costs.counts(kept))


def test_the_bottleneck_of_each_layer_is_reported(costs):
    blocks = Blocks(outputs=16)
    model = LatencyModel(costs, samples_of(costs, blocks), blocks=blocks)
    narrow = model.slowest(np.full(len(costs.sizes), 4), 3)
    assert {row.bound_by for row in narrow} == {"blocks"}
    wide = model.slowest(costs.sizes, 3)
    assert {row.bound_by for row in wide} == {"macs"}
    assert wide[0].before_ms == pytest.approx(wide[0].after_ms)


def test_the_parts_of_the_time_are_reported(costs):
    blocks = Blocks(outputs=16)
    model = LatencyModel(costs, samples_of(costs, blocks), blocks=blocks)
    kept = np.full(len(costs.sizes), 4)
    parts, bare = model.parts(kept), costs.totals(kept)
    assert sum(parts.values()) == pytest.approx(model.predict(kept))
    multiplied = 2e-6 * bare["macs"]
    assert parts["macs"] == pytest.approx(multiplied, rel=1e-5)
    # Kernels compute 16 channels where there are 4, and so for every 3 classes.
    assert parts["blocks"] > 2.9 * multiplied
    memory = 3e-6 * bare["written"] + 5e-6 * bare["values"]
    assert parts["memory"] == pytest.approx(memory, rel=1e-5)
    assert parts["constant"] == pytest.approx(0.3, rel=1e-5)


def test_half_of_a_block_is_bound_by_it(costs):
    blocks = Blocks(outputs=16)
    model = LatencyModel(costs, samples_of(costs, blocks), blocks=blocks)
    rows = model.slowest(np.full(len(costs.sizes), 8), 3)
    assert {row.bound_by for row in rows} == {"blocks"}
