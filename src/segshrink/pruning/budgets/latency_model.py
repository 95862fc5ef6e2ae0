"""What a multiply-accumulate and a moved value cost in a runtime, by measurement."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from segshrink.pruning.cost import Blocks, Costs
from segshrink.pruning.importance import FloatArray
from segshrink.pruning.selection import Counts

FEATURES = ("macs", "pointwise_macs", "values", "constant")

# What kernels are known to compute at once: 4 to 16 channels, by vector width.
_FORMS = (
    Blocks(),
    Blocks(outputs=4),
    Blocks(outputs=8),
    Blocks(outputs=8, values=8),
    Blocks(outputs=16),
    Blocks(outputs=16, values=16),
)


@dataclass(frozen=True, eq=False)
class Sample:
    """A candidate that was timed: units that each group keeps, median milliseconds."""

    kept: Counts
    ms: float


class LatencyModel:
    """Milliseconds = a * MACs + b * pointwise MACs + c * values moved + d, all >= 0.

    Early layers of a segmentation model have few channels at full resolution: they move
    many values for few multiplications, so that the memory, not the arithmetic, sets
    their pace, and MACs alone misjudge them. Kernels compute channels in blocks, so
    that a few channels cost what a block costs; which blocks explain the samples best
    is found by leaving out one sample after the other.

    Attributes:
        costs: the terms, in the blocks that were found.
        coefficients: a, b, c and d, in the order of `FEATURES`.
        prices: milliseconds of one of each term of the costs.
        constant: d, milliseconds.
        error: root of the mean square relative error of samples that are left out,
            weighted as they are in the fit.
    """

    def __init__(
        self, costs: Costs, samples: Sequence[Sample], *, near: float | None = None
    ) -> None:
        """Fit to samples, by least squares of the relative error.

        Args:
            costs: of the model.
            samples: at least two candidates.
            near: milliseconds above 0 around which to be right: a sample of twice or
                half of it weighs half as much as one of just as many. None weighs all
                alike.
        """
        times = np.array([sample.ms for sample in samples])
        weights = np.ones(len(times))
        if near is not None:
            weights = np.minimum(times / near, near / times)
        fits = []
        for blocks in _FORMS:
            filled = costs.in_blocks(blocks)
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

    def slowest(self, kept: Counts, count: int) -> list[dict[str, Any]]:
        """The layers that take most of the time that is left, and what sets their pace.

        A layer is bound by memory if the values that it moves cost more than its
        multiplications: fewer channels on one side alone then buy little. It is bound
        by blocks if more than half of its time fills blocks up: fewer of its own
        channels then buy nothing, but fewer of those that it reads do.
        """
        costs = self.costs
        memory = costs.prices(values=self.coefficients[2])
        bare = costs.in_blocks(Blocks())
        before = costs.by_layer(self.prices * costs.terms(costs.counts(costs.sizes)))
        values = costs.terms(costs.counts(kept))
        after = costs.by_layer(self.prices * values)
        moved = costs.by_layer(memory * values)
        unfilled = bare.by_layer(self.prices * bare.terms(bare.counts(kept)))
        order = sorted(after, key=lambda layer: -after[layer])[:count]

        def bound_by(layer: str) -> str:
            if unfilled[layer] * 2 < after[layer]:
                return "blocks"
            return "memory" if moved[layer] * 2 > after[layer] else "macs"

        return [
            {
                "layer": layer,
                "before_ms": before[layer],
                "after_ms": after[layer],
                "bound_by": bound_by(layer),
            }
            for layer in order
            if after[layer] > 0
        ]


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
