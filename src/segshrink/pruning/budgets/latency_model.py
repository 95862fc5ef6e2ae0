"""Costs of multiplications and of memory in a runtime, by measurement."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from segshrink.pruning.cost import Blocks, Costs
from segshrink.pruning.importance import FloatArray
from segshrink.pruning.selection import Counts
from segshrink.records.plan import SlowLayer

FEATURES = ("macs", "depthwise_macs", "written", "values", "constant")
_PARTS = ("blocks", "memory", "macs")


@dataclass(frozen=True, eq=False)
class Sample:
    """A candidate that was timed: units that each group keeps, median milliseconds."""

    kept: Counts
    ms: float


class LatencyModel:
    """Milliseconds as a sum of prices times `FEATURES`, no price below 0.

    Early layers of a segmentation model have few channels at full resolution: they
    write many values for few multiplications, so that the memory, not the arithmetic,
    sets their pace, and MACs alone misjudge them. Kernels compute channels in blocks,
    so that a few channels cost what a block costs. Whether values are stored in such
    blocks, too, is found by leaving out one sample after the other.

    Attributes:
        costs: the terms, in the blocks that were found.
        coefficients: the prices, in the order of `FEATURES`.
        prices: milliseconds of one of each term of the costs.
        constant: milliseconds that depend on no channel.
        error: root of the mean square relative error of samples that are left out,
            weighted as they are in the fit.
    """

    def __init__(
        self,
        costs: Costs,
        samples: Sequence[Sample],
        *,
        blocks: Blocks,
        near: float | None = None,
    ) -> None:
        """Fit to samples, by least squares of the relative error.

        Args:
            costs: of the model.
            samples: at least two candidates.
            blocks: of the runtime's kernels, see `kernel_blocks`.
            near: milliseconds above 0 around which to be right: a sample of twice or
                half of it weighs half as much as one of just as many. None weighs all
                alike.
        """
        times = np.array([sample.ms for sample in samples])
        weights = np.ones(len(times))
        if near is not None:
            weights = np.minimum(times / near, near / times)
        fits = []
        for stored in dict.fromkeys((1, blocks.narrow or blocks.outputs)):
            filled = costs.in_blocks(replace(blocks, values=stored))
            rows = np.array([_features(filled, sample.kept) for sample in samples])
            relative = rows / times[:, None]
            fits.append((_error_left_out(relative, weights), filled, relative))
        self.error, self.costs, relative = min(fits, key=lambda fit: fit[0])
        self.coefficients = _fitted(relative, weights).tolist()
        self.constant = self.coefficients[-1]
        named = dict(zip(FEATURES[:-1], self.coefficients, strict=False))
        self.prices = self.costs.prices(**named)

    def predict(self, kept: Counts) -> float:
        """Milliseconds of a candidate."""
        return float(_features(self.costs, kept) @ np.array(self.coefficients))

    def slowest(self, kept: Counts, count: int) -> list[SlowLayer]:
        """The layers that take most of the time that is left, and their bottlenecks.

        Bound by `macs`: fewer channels on either side help. By `memory`: most of the
        time moves values, so that fewer channels on one side alone buy little. By
        `blocks`: at least as much fills blocks up; fewer of a layer's own channels then
        buy nothing, but fewer of those that it reads do.
        """
        before = self._parts_by_layer(self.costs.sizes)
        after = self._parts_by_layer(kept)
        totals = {layer: sum(parts.values()) for layer, parts in after.items()}
        slowest = sorted(totals, key=lambda layer: -totals[layer])[:count]
        return [
            SlowLayer(
                layer=layer,
                before_ms=sum(before[layer].values()),
                after_ms=totals[layer],
                bound_by=_largest(after[layer]),
            )
            for layer in slowest
            if totals[layer] > 0
        ]

    def parts(self, kept: Counts) -> dict[str, float]:
        """Predicted milliseconds by what they are spent on.

        `macs` are multiplications of existing channels, `blocks` those that fill blocks
        up, `memory` is moving values and `constant` does not depend on channels.
        """
        by_layer = self._parts_by_layer(kept).values()
        found = {name: sum(parts[name] for parts in by_layer) for name in _PARTS}
        return {**found, "constant": self.constant}

    def _parts_by_layer(self, kept: Counts) -> dict[str, dict[str, float]]:
        bare = self.costs.in_blocks(Blocks())
        named = dict(zip(FEATURES, self.coefficients, strict=True))
        memory = self.costs.prices(written=named["written"], values=named["values"])
        macs = self.prices - memory
        unfilled, filled = (
            costs.terms(costs.counts(kept)) for costs in (bare, self.costs)
        )
        spent = {
            "blocks": self.prices * (filled - unfilled),
            "memory": memory * unfilled,
            "macs": macs * unfilled,
        }
        by_part = {part: self.costs.by_layer(spent[part]) for part in _PARTS}
        return {
            layer: {part: by_part[part][layer] for part in _PARTS}
            for layer in by_part["macs"]
        }


def _largest(parts: dict[str, float]) -> str:
    """The part that takes most; of equal ones the first of `_PARTS`."""
    total = sum(parts.values())
    return max(_PARTS, key=lambda part: round(parts[part] / total, 6))


def _fitted(relative: FloatArray, weights: FloatArray) -> FloatArray:
    """Coefficients with which rows, divided by their time, come closest to 1."""
    return _nonnegative(relative * weights[:, None], weights)


def _error_left_out(relative: FloatArray, weights: FloatArray) -> float:
    """Root of the mean square error of each sample, predicted from all others."""
    errors = []
    for place in range(len(relative)):
        found = _fitted(
            np.delete(relative, place, axis=0), np.delete(weights, place, axis=0)
        )
        errors.append(float(relative[place] @ found) - 1)
    return float(np.sqrt(np.average(np.square(errors), weights=np.square(weights))))


def _features(costs: Costs, kept: Counts) -> FloatArray:
    totals = costs.totals(kept)
    return np.array([*(totals[name] for name in FEATURES[:-1]), 1.0])


def _nonnegative(matrix: FloatArray, wanted: FloatArray) -> FloatArray:
    """Least squares with no coefficient below 0: the best over all sets of columns."""
    columns = matrix.shape[1]
    scale = np.maximum(np.abs(matrix).max(axis=0), 1e-300)
    best, smallest = np.zeros(columns), np.inf
    for size in range(1, columns + 1):
        for chosen in map(list, combinations(range(columns), size)):
            part = matrix[:, chosen] / scale[chosen]
            found = np.linalg.lstsq(part, wanted, rcond=None)[0]
            error = float(np.square(part @ found - wanted).sum())
            if (found >= 0).all() and error < smallest - 1e-12:
                best, smallest = np.zeros(columns), error
                best[chosen] = found / scale[chosen]
    return best
