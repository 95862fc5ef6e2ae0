"""What is particular to it; the contract is in test_distillation_losses.py."""

import numpy as np
import pytest

from segshrink.distillation.losses import FeatureHint

TEACHER, STUDENT = np.random.default_rng(0).normal(size=(2, 2, 4, 3, 5))


@pytest.mark.parametrize(("factor", "expected"), [(0, 1), (-1, 4), (0.5, 0.25)])
def test_students_that_are_a_multiple_of_their_teacher(factor, expected):
    found = FeatureHint().compute_loss(TEACHER, factor * TEACHER)
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_layers_of_any_scale_weigh_the_same(scale):
    found = FeatureHint().compute_loss(scale * TEACHER, scale * STUDENT)
    expected = FeatureHint().compute_loss(TEACHER, STUDENT)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_it_divides_by_the_batch_not_by_the_image():
    teacher = TEACHER * np.array([1, 10]).reshape(-1, 1, 1, 1)
    expected = np.sum((teacher - STUDENT) ** 2) / np.sum(teacher**2)
    assert float(FeatureHint().compute_loss(teacher, STUDENT)) == pytest.approx(
        expected, rel=1e-5
    )
