"""What is particular to it; the contract is in test_distillation_losses.py."""

import numpy as np
import pytest

from segshrink.distillation.losses import PairwiseSimilarity

TEACHER, STUDENT = np.random.default_rng(0).normal(size=(2, 2, 4, 6, 5))


def loss_of(*arguments, grid=8):
    return float(PairwiseSimilarity(grid).compute_loss(*arguments))


def test_by_hand():
    """Two nodes: alike for the teacher, at a right angle for the student."""
    teacher = np.array([[[[1.0, 2.0], [2.0, 4.0]]]])
    student = np.array([[[[3.0, 0.0, 0.0], [0.0, 0.0, 5.0]]]])
    assert loss_of(teacher, student) == pytest.approx(2 / 4, rel=1e-5)
    # Half a node counts half: (1 * 0.5 + 0.5 * 1) / 1.5^2.
    valid = np.array([[[True, True, False, True]]])
    assert loss_of(teacher, student, valid) == pytest.approx(4 / 9, rel=1e-5)


def test_only_angles_count():
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))
    sizes = np.random.default_rng(2).uniform(0.5, 2, (2, 4, 6, 1))
    assert loss_of(TEACHER, sizes * TEACHER @ rotation) == pytest.approx(0, abs=1e-5)
    assert loss_of(TEACHER, 1e-2 * STUDENT) == pytest.approx(
        loss_of(TEACHER, STUDENT), rel=1e-3
    )


def test_nodes_are_means_of_their_cells():
    means = [x.reshape(2, 2, 2, 2, 3, 5).mean((2, 4)) for x in (TEACHER, STUDENT)]
    expected = loss_of(*means)
    assert loss_of(TEACHER, STUDENT, grid=2) == pytest.approx(expected, rel=1e-4)


def test_there_are_no_more_nodes_than_cells():
    tall, short = TEACHER[:, :, :1], STUDENT[:, :, :1]
    assert loss_of(TEACHER, STUDENT, grid=6) == loss_of(TEACHER, STUDENT, grid=100)
    assert loss_of(tall, short, grid=4) == loss_of(tall, short, grid=5)


def test_a_single_node_is_always_like_itself():
    assert loss_of(TEACHER, STUDENT, grid=1) == pytest.approx(0, abs=1e-5)
