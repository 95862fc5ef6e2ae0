"""Sums against the textbook solution of stacked rows."""

import numpy as np
import pytest

from segshrink.pruning.recovery.least_squares import RidgeSums


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def summed(rows, targets, *, shifted):
    sums = RidgeSums(rows.shape[1], targets.shape[1], shifted=shifted)
    for part in np.array_split(np.arange(len(rows)), 3):
        sums.add(rows[part], targets[part])
    return sums


@pytest.mark.parametrize("shifted", [False, True])
def test_solution_is_that_of_rows_with_the_ridge_stacked_below(generator, shifted):
    rows = generator.normal(2, 1, (40, 5))
    targets = generator.normal(-1, 1, (40, 3))
    start = generator.normal(size=(5, 3))
    weights, shift = summed(rows, targets, shifted=shifted).solve(start, 0.1)
    row_mean = rows.mean(0) if shifted else 0
    target_mean = targets.mean(0) if shifted else 0
    x, y = rows - row_mean, targets - target_mean
    root = np.sqrt(0.1 * np.mean(np.sum(x**2, axis=0)))
    expected, *_ = np.linalg.lstsq(
        np.vstack([x, root * np.eye(5)]), np.vstack([y, root * start])
    )
    np.testing.assert_allclose(weights, expected, atol=1e-10)
    wanted = target_mean - row_mean @ expected if shifted else np.zeros(3)
    np.testing.assert_allclose(shift, wanted, atol=1e-10)


def test_directions_that_no_row_takes_keep_their_weights(generator):
    rows = np.zeros((6, 4))
    rows[:, 0] = generator.normal(size=6)
    targets, start = generator.normal(size=(6, 2)), generator.normal(size=(4, 2))
    weights, _ = summed(rows, targets, shifted=False).solve(start, 1e-3)
    np.testing.assert_allclose(weights[1:], start[1:], atol=1e-12)
    assert np.abs(weights[0] - start[0]).max() > 1e-3


def test_rows_without_any_signal_change_nothing_but_the_shift(generator):
    rows, targets = np.full((6, 4), 3.0), generator.normal(size=(6, 2))
    start = generator.normal(size=(4, 2))
    weights, shift = summed(rows, targets, shifted=True).solve(start, 1e-3)
    np.testing.assert_allclose(weights, start, atol=1e-10)
    expected = targets.mean(0) - 3.0 * start.sum(0)
    np.testing.assert_allclose(shift, expected, atol=1e-10)


def test_few_rows_never_do_worse_than_the_start(generator):
    for rows_given in (1, 3, 8):
        rows = generator.normal(size=(rows_given, 6))
        targets, start = generator.normal(size=(rows_given, 2)), np.zeros((6, 2))
        weights, shift = summed(rows, targets, shifted=True).solve(start, 1e-2)
        error = np.square(rows @ weights + shift - targets).sum()
        assert error <= np.square(targets - targets.mean(0)).sum() + 1e-12
