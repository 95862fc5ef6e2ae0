"""What is particular to it; the contract is in test_distillation_losses.py."""

import numpy as np
import pytest

from segshrink.distillation.losses import AttentionTransfer

TEACHER, STUDENT = np.random.default_rng(0).normal(size=(2, 2, 4, 3, 5))


def loss_of(*arguments):
    return float(AttentionTransfer().compute_loss(*arguments))


@pytest.mark.parametrize("scale", [1e-2, -3.0, 1e2])
def test_neither_scale_nor_sign_nor_order_of_channels_counts(scale):
    assert loss_of(TEACHER, scale * TEACHER[..., ::-1]) == pytest.approx(0, abs=1e-5)
    expected = loss_of(TEACHER, STUDENT)
    assert loss_of(TEACHER, scale * STUDENT) == pytest.approx(expected, rel=1e-3)
    assert loss_of(scale * TEACHER, STUDENT) == pytest.approx(expected, rel=1e-3)


def test_a_channel_repeated_changes_nothing():
    twice = np.concatenate([STUDENT, STUDENT], axis=-1)
    expected = loss_of(TEACHER, STUDENT)
    assert loss_of(TEACHER, twice) == pytest.approx(expected, rel=1e-5)


def test_activity_in_other_places_costs_2_and_none_costs_1():
    left, right, none = np.zeros((3, 1, 2, 4, 1))
    left[:, :, :2] = right[:, :, 2:] = 1
    assert loss_of(left, right) == pytest.approx(2, rel=1e-5)
    assert loss_of(left, none) == pytest.approx(1, rel=1e-5)


def test_by_hand():
    teacher, student = (np.sqrt(np.reshape(a, (1, 1, 2, 1))) for a in ([3, 4], [1, 0]))
    expected = (3 / 5 - 1) ** 2 + (4 / 5) ** 2
    assert loss_of(teacher, student) == pytest.approx(expected, rel=1e-5)
