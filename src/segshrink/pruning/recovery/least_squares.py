"""Ridge regression towards given weights, from sums over rows."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


class RidgeSums:
    """Sums over rows from which weights near given ones are solved, in float64.

    It holds `features ** 2 + features * targets` numbers for any number of rows.

    Args:
        features: entries of a row.
        targets: outputs of a row.
        shifted: whether a constant may be added to each output.
    """

    def __init__(self, features: int, targets: int, *, shifted: bool) -> None:
        self._shifted = shifted
        self._count = 0
        self._gram = np.zeros((features, features))
        self._cross = np.zeros((features, targets))
        self._row_sum = np.zeros(features)
        self._target_sum = np.zeros(targets)

    def add(self, rows: npt.ArrayLike, targets: npt.ArrayLike) -> None:
        """Add rows `(rows, features)` and their targets `(rows, targets)`."""
        rows = np.asarray(rows, dtype=np.float64)
        targets = np.asarray(targets, dtype=np.float64)
        self._count += len(rows)
        self._gram += rows.T @ rows
        self._cross += rows.T @ targets
        self._row_sum += rows.sum(axis=0)
        self._target_sum += targets.sum(axis=0)

    def solve(self, start: FloatArray, ridge: float) -> tuple[FloatArray, FloatArray]:
        """Weights W and shift c of least |X W + c - Y|^2 + lambda |W - start|^2.

        lambda is `ridge` times the mean of the diagonal of X'X, with X and Y less
        their means if a shift is allowed. The squared error is never above that of
        `start`. Directions outside the span of the rows keep the weights of `start`.

        Args:
            start: `(features, targets)`.
            ridge: float > 0, dimensionless.

        Returns:
            (weights `(features, targets)`, shift `(targets,)`, 0 where not allowed).
        """
        gram, cross = self._gram, self._cross
        row_mean = self._row_sum / self._count * self._shifted
        target_mean = self._target_sum / self._count * self._shifted
        gram = gram - self._count * np.outer(row_mean, row_mean)
        cross = cross - self._count * np.outer(row_mean, target_mean)
        weights = start
        strength = ridge * np.trace(gram) / len(gram)
        if strength > 0:
            raised = gram + strength * np.eye(len(gram))
            weights = start + np.linalg.solve(raised, cross - gram @ start)
        return weights, target_mean - row_mean @ weights
