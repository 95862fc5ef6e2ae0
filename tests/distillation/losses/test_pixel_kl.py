"""What is particular to it; the contract is in test_distillation_losses.py."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from segshrink.distillation.losses import PixelKL

from ..networks import SIDE_PX, network
from . import loops
from .loops import Batch


def loss_of(batch, temperature=2.0):
    return float(PixelKL(temperature).compute_loss(*batch.arguments))


@st.composite
def cases(draw):
    shape = tuple(draw(st.integers(1, 4)) for _ in range(3))
    classes = draw(st.integers(1, 5))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = draw(st.floats(0, 8))
    logits = generator.normal(0, scale, (2, *shape, classes)).astype(np.float32)
    valid = generator.random(shape) < draw(st.floats(0, 1))
    return Batch(*logits, valid), draw(st.floats(0.5, 10))


@given(cases(), st.booleans())
def test_equals_plain_loops_at_any_temperature(case, masked):
    batch, temperature = case
    batch = batch if masked else batch.but(valid=None)
    expected = loops.pixel_kl(batch, temperature)
    assert loss_of(batch, temperature) == pytest.approx(
        expected, rel=1e-4, abs=2e-6 * temperature**2
    )


@given(cases())
def test_void_counts_as_if_it_were_cut_out(case):
    batch, temperature = case
    if not batch.valid.any():
        assert loss_of(batch, temperature) == 0
        return
    cut = [x[batch.valid][None, None] for x in (batch.teacher, batch.student)]
    assert loss_of(batch, temperature) == pytest.approx(
        loss_of(Batch(*cut), temperature), rel=1e-4, abs=2e-6 * temperature**2
    )


@given(cases())
def test_one_channel_is_two_of_which_one_is_0(case):
    batch, temperature = case
    maps = [x[..., :1] for x in (batch.teacher, batch.student)]
    pairs = [np.concatenate([np.zeros_like(x), x], axis=-1) for x in maps]
    assert loss_of(Batch(*maps, batch.valid), temperature) == pytest.approx(
        loss_of(Batch(*pairs, batch.valid), temperature),
        rel=1e-4,
        abs=2e-6 * temperature**2,
    )


def test_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.5, 0.5]])
    teacher, student = np.log(probabilities)[:, None, None, None]
    expected = 0.9 * np.log(0.9 / 0.5) + 0.1 * np.log(0.1 / 0.5)
    assert loss_of(Batch(teacher, student), 1.0) == pytest.approx(expected)
    assert loss_of(Batch(3 * teacher, 3 * student), 3.0) == pytest.approx(9 * expected)


def test_pixels_of_whole_weights_count_as_if_they_were_repeated():
    logits = np.random.default_rng(0).normal(size=(2, 1, 1, 3, 4))
    repeated = np.repeat(logits, [3, 0, 2], axis=3)
    assert loss_of(Batch(*logits, None, np.array([[[3, 0, 2]]]))) == pytest.approx(
        loss_of(Batch(*repeated)), rel=1e-5
    )


def test_works_in_the_distiller_of_keras():
    teacher, student = network(1), network(2)
    distiller = keras.distillation.Distiller(
        teacher=teacher,
        student=student,
        distillation_losses=PixelKL(2.0),
        student_loss_weight=0.0,
    )
    distiller.compile(
        "sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    images = np.random.default_rng(0).integers(0, 256, (2, SIDE_PX, SIDE_PX, 3))
    labels = np.zeros((2, SIDE_PX, SIDE_PX), np.uint8)
    found = distiller.test_on_batch(images, labels, return_dict=True)
    logits = [
        ops.convert_to_numpy(model(images, training=False))
        for model in (teacher, student)
    ]
    expected = loops.pixel_kl(Batch(*logits))
    assert found["distillation_loss"] == pytest.approx(expected, rel=1e-4)
    assert found["total_loss"] == pytest.approx(expected, rel=1e-4)
