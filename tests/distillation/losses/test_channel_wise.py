"""What is particular to it; the contract is in test_distillation_losses.py."""

import numpy as np
import pytest

from segshrink.distillation.losses import ChannelWise


def maps(size=(2, 4, 3, 5), seed=0):
    return np.random.default_rng(seed).normal(size=(2, *size)).astype(np.float32)


def test_by_hand():
    """One channel of two positions, and one that is the same in both maps."""
    teacher, student = np.zeros((2, 1, 1, 2, 2))
    teacher[0, 0, :, 0] = 2 * np.log([0.9, 0.1])
    divergence = 0.9 * np.log(0.9 / 0.5) + 0.1 * np.log(0.1 / 0.5)
    found = ChannelWise(2.0).compute_loss(teacher, student)
    assert float(found) == pytest.approx(4 * divergence / 2)


def test_levels_of_channels_do_not_count():
    teacher, student = maps()
    levels = np.random.default_rng(1).normal(size=(2, 1, 1, 5))
    assert float(ChannelWise().compute_loss(teacher, teacher + levels)) == (
        pytest.approx(0, abs=1e-5)
    )
    assert float(ChannelWise().compute_loss(teacher, student + levels)) == (
        pytest.approx(float(ChannelWise().compute_loss(teacher, student)), rel=1e-4)
    )


def test_a_half_valid_cell_counts_half_in_the_distribution():
    teacher, student = maps((1, 1, 2, 1))
    valid = np.array([[[True, True, True, False]]])
    p, q = (np.array([1.0, 0.5]) * np.exp(z.ravel()) for z in (teacher, student))
    p, q = p / p.sum(), q / q.sum()
    found = ChannelWise(1.0).compute_loss(teacher, student, valid)
    assert float(found) == pytest.approx(np.sum(p * np.log(p / q)), rel=1e-4)


def test_images_count_the_same_however_much_of_them_is_valid():
    teacher, student = maps()
    valid = np.ones((2, 4, 3), bool)
    valid[0, 1:] = False
    alone = [
        float(ChannelWise().compute_loss(teacher[i], student[i], valid[i]))
        for i in (slice(0, 1), slice(1, 2))
    ]
    found = float(ChannelWise().compute_loss(teacher, student, valid))
    assert found == pytest.approx(np.mean(alone), rel=1e-5)
    weighted = ChannelWise().compute_loss(teacher, student, valid, np.array([3.0, 1]))
    assert float(weighted) == pytest.approx(np.average(alone, weights=[3, 1]), rel=1e-5)
