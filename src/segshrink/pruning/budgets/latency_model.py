"""What a multiply-accumulate and a moved value cost in a runtime, by measurement."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from segshrink.pruning.cost import Costs
from segshrink.pruning.importance import FloatArray
from segshrink.pruning.selection import Counts

FEATURES = ("macs", "pointwise_macs", "values", "constant")


@dataclass(frozen=True, eq=False)
class Sample:
    """A candidate that was timed: units that each group keeps, median milliseconds."""

    kept: Counts
    ms: float


class LatencyModel:
    """Milliseconds = a * MACs + b * pointwise MACs + c * values moved + d, all >= 0.

    Early layers of a segmentation model have few channels at full resolution: they move
    many values for few multiplications, so that the memory, not the arithmetic, sets
    their pace, and MACs alone misjudge them.

    Attributes:
        coefficients: a, b, c and d, in the order of `FEATURES`.
        prices: milliseconds of one of each term of the costs.
        constant: d, milliseconds.
        error: largest relative error over the samples.
    """

    def __init__(self, costs: Costs, samples: Sequence[Sample]) -> None:
        """Fit to samples, by least squares of the relative error."""
        self._costs = costs
        rows = [_features(costs, sample.kept) for sample in samples]
        times = np.array([sample.ms for sample in samples])
        relative = np.array(rows) / times[:, None]
        self.coefficients = _nonnegative(relative, np.ones(len(times))).tolist()
        self.constant = self.coefficients[-1]
        named = dict(zip(FEATURES[:-1], self.coefficients, strict=False))
        self.prices = costs.prices(**named)
        residuals = relative @ np.array(self.coefficients) - 1
        self.error = float(np.abs(residuals).max())

    def predict(self, kept: Counts) -> float:
        """Milliseconds of a candidate."""
        return float(_features(self._costs, kept) @ np.array(self.coefficients))

    def slowest(self, kept: Counts, count: int) -> list[dict[str, Any]]:
        """The layers that take most of the time that is left, and what sets their pace.

        A layer is bound by memory if the values that it moves cost more than its
        multiplications; fewer channels on one side alone then buy little.
        """
        costs = self._costs
        memory = costs.prices(values=self.coefficients[2])
        before = costs.by_layer(self.prices * costs.terms(costs.counts(costs.sizes)))
        values = costs.terms(costs.counts(kept))
        after = costs.by_layer(self.prices * values)
        moved = costs.by_layer(memory * values)
        order = sorted(after, key=lambda layer: -after[layer])[:count]
        return [
            {
                "layer": layer,
                "before_ms": before[layer],
                "after_ms": after[layer],
                "bound_by": "memory" if moved[layer] * 2 > after[layer] else "macs",
            }
            for layer in order
            if after[layer] > 0
        ]


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
