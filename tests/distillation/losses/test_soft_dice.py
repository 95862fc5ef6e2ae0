"""What is particular to it; the contract is in test_distillation_losses.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.distillation.losses import SoftDice
from segshrink.objectives import Dice

from . import loops
from .loops import Batch


def loss_of(batch):
    return float(SoftDice().compute_loss(*batch.arguments))


@st.composite
def batches(draw):
    shape = tuple(draw(st.integers(1, 4)) for _ in range(3))
    classes = draw(st.integers(1, 5))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = draw(st.floats(0, 8))
    logits = generator.normal(0, scale, (2, *shape, classes)).astype(np.float32)
    return Batch(*logits, generator.random(shape) < draw(st.floats(0, 1)))


@given(batches(), st.booleans())
def test_equals_plain_loops(batch, masked):
    batch = batch if masked else batch.but(valid=None)
    assert loss_of(batch) == pytest.approx(loops.soft_dice(batch), rel=1e-4, abs=1e-6)


@given(batches())
def test_void_counts_as_if_it_were_cut_out(batch):
    if not batch.valid.any():
        assert loss_of(batch) == 0
        return
    cut = [x[batch.valid][None, None] for x in (batch.teacher, batch.student)]
    assert loss_of(batch) == pytest.approx(loss_of(Batch(*cut)), rel=1e-4, abs=1e-6)


@given(batches())
def test_lies_between_0_and_1_and_is_0_for_the_teacher_itself(batch):
    assert 0 <= loss_of(batch) <= 1 + 1e-6
    assert loss_of(batch.but(student=batch.teacher)) == 0


def test_by_hand():
    teacher = np.log([[0.8, 0.2], [0.4, 0.6]])[None, None]
    student = np.log([[0.5, 0.5], [0.5, 0.5]])[None, None]
    # Class 0: (0.3 + 0.1) / (1.2 + 1.0); class 1: 0.4 / (0.8 + 1.0).
    expected = (0.4 / 2.2 + 0.4 / 1.8) / 2
    assert loss_of(Batch(teacher, student)) == pytest.approx(expected)
    # Where class 1 is nowhere the likeliest it does not count.
    first = Batch(teacher[:, :, :1], student[:, :, :1])
    assert loss_of(first) == pytest.approx(0.3 / 1.3)


def test_a_sure_teacher_is_like_labels():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, (2, 8, 8)).astype(np.uint8)
    sure = 60.0 * np.eye(3, dtype=np.float32)[labels]
    student = generator.normal(size=(2, 8, 8, 3)).astype(np.float32)
    # |t - s| sums to t + s - 2 t s for labels t, so that the losses are the same.
    expected = float(Dice(smooth=0.0)(labels, student))
    assert loss_of(Batch(sure, student)) == pytest.approx(expected, rel=1e-5)


def test_small_classes_count_as_much_as_large_ones():
    teacher = np.full((1, 10, 10, 2), [9.0, 0.0], np.float32)
    teacher[0, 0, 0] = [0.0, 9.0]
    missed = np.full((1, 10, 10, 2), [9.0, 0.0], np.float32)
    assert loss_of(Batch(teacher, missed)) == pytest.approx(0.5, abs=0.02)
