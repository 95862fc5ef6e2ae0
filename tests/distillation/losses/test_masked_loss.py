"""What valid and sample_weight mean, by the example of two losses over pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.distillation.losses import FeatureHint, PixelKL

TEACHER, STUDENT = np.random.default_rng(0).normal(size=(2, 1, 2, 2, 3))


def loss_of(*arguments, kind=PixelKL):
    return float(kind().compute_loss(*arguments))


def test_a_cell_counts_by_the_share_of_its_area_that_is_valid():
    valid = np.zeros((1, 4, 4), bool)
    valid[0, :2, :2] = [[True, False], [False, False]]
    valid[0, 2:, 2:] = [[True, True], [True, False]]
    shares = np.array([[[0.25, 0.0], [0.0, 0.75]]])
    assert loss_of(TEACHER, STUDENT, valid) == pytest.approx(
        loss_of(TEACHER, STUDENT, None, shares), rel=1e-6
    )


def test_a_mask_may_have_pixels_that_lie_in_several_cells():
    thirds = np.array([[[True, False, False]]])
    shares = np.array([[[2 / 3, 0], [2 / 3, 0]]])
    assert loss_of(TEACHER, STUDENT, thirds) == pytest.approx(
        loss_of(TEACHER, STUDENT, None, shares), rel=1e-6
    )
    whole = np.array([[[True]]])
    assert loss_of(TEACHER, STUDENT, whole) == loss_of(TEACHER, STUDENT)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**32))
def test_a_finer_mask_of_the_same_areas_changes_nothing(rows, columns, seed):
    generator = np.random.default_rng(seed)
    maps = generator.normal(size=(2, 2, 3, 4, 3))
    valid = generator.random((2, 3, 4)) < 0.6
    fine = valid.repeat(rows, axis=1).repeat(columns, axis=2)
    for kind in (PixelKL, FeatureHint):
        assert loss_of(*maps, fine, kind=kind) == pytest.approx(
            loss_of(*maps, valid, kind=kind), rel=1e-5, abs=1e-5
        )


def test_sample_weights_of_void_pixels_do_not_count():
    valid = np.random.default_rng(1).random((1, 6, 4)) < 0.5
    weights = np.random.default_rng(2).uniform(size=valid.shape)
    changed = np.where(valid, weights, 1e6)
    assert loss_of(TEACHER, STUDENT, valid, changed) == (
        loss_of(TEACHER, STUDENT, valid, weights)
    )
