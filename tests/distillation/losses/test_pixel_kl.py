import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from segshrink.distillation import PixelKL, pixel_kl

from .networks import SIDE_PX, network


def divergence_by_hand(teacher, student, temperature, valid=None):
    """Plain loops over pixels, in float64."""
    shape = teacher.shape[:-1]
    valid = np.ones(shape, bool) if valid is None else valid
    total, pixels = 0.0, 0
    for place in np.ndindex(*shape):
        if not valid[place]:
            continue
        p = softmax(teacher[place].astype(np.float64) / temperature)
        q = softmax(student[place].astype(np.float64) / temperature)
        total += sum(p_c * np.log(p_c / q_c) for p_c, q_c in zip(p, q, strict=True))
        pixels += 1
    return temperature**2 * total / max(pixels, 1)


def softmax(logits):
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


@st.composite
def cases(draw):
    shape = tuple(draw(st.integers(1, 4)) for _ in range(3))
    classes = draw(st.integers(2, 5))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = draw(st.floats(0, 8))
    logits = generator.normal(0, scale, (2, *shape, classes)).astype(np.float32)
    valid = generator.random(shape) < draw(st.floats(0, 1))
    return logits[0], logits[1], valid, draw(st.floats(0.5, 10))


@settings(max_examples=40)
@given(cases(), st.booleans())
def test_equals_plain_loops(case, masked):
    teacher, student, valid, temperature = case
    mask = valid if masked else None
    expected = divergence_by_hand(teacher, student, temperature, mask)
    found = float(pixel_kl(teacher, student, temperature, mask))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


@settings(max_examples=25)
@given(cases())
def test_void_counts_as_if_it_were_cut_out(case):
    teacher, student, valid, temperature = case
    if not valid.any():
        assert float(pixel_kl(teacher, student, temperature, valid)) == 0
        return
    cut = [logits[valid][None, None] for logits in (teacher, student)]
    assert float(pixel_kl(teacher, student, temperature, valid)) == pytest.approx(
        float(pixel_kl(*cut, temperature)), rel=1e-4, abs=1e-6
    )


def gradient(teacher, student, valid):
    """The gradient of the loss on both logits."""
    tf = pytest.importorskip("tensorflow")
    teacher, student = tf.Variable(teacher), tf.Variable(student)
    with tf.GradientTape() as tape:
        loss = pixel_kl(teacher, student, 2.0, valid)
    return float(loss), *(x.numpy() for x in tape.gradient(loss, [teacher, student]))


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -np.inf, 1e38])
def test_garbage_at_void_pixels_reaches_neither_loss_nor_gradient(garbage):
    generator = np.random.default_rng(0)
    teacher, student = generator.normal(size=(2, 1, 2, 2, 3)).astype(np.float32)
    valid = np.array([[[True, False], [True, True]]])
    clean = gradient(teacher, student, valid)
    for spoilt in (teacher, student):
        spoilt[0, 0, 1] = garbage
    dirty = gradient(teacher, student, valid)
    assert dirty[0] == clean[0]
    for ours, theirs in zip(dirty[1:], clean[1:], strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert not ours[0, 0, 1].any()


def test_all_void_is_zero_without_gradient():
    logits = np.random.default_rng(0).normal(size=(2, 1, 2, 2, 3)).astype(np.float32)
    loss, _, student = gradient(*logits, np.zeros((1, 2, 2), bool))
    assert loss == 0
    assert not student.any()


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_refuses_a_temperature_that_is_not_positive(temperature):
    text = f"temperature must be above 0, got {temperature}"
    with pytest.raises(ValueError, match=text):
        pixel_kl(np.zeros((1, 2, 2, 3)), np.zeros((1, 2, 2, 3)), temperature)
    with pytest.raises(ValueError, match=text):
        PixelKL(temperature)


def test_refuses_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"same shape, got \(1, 2, 2, 3\) and \(1, 2"):
        pixel_kl(np.zeros((1, 2, 2, 3)), np.zeros((1, 2, 2, 4)))
    with pytest.raises(ValueError, match="softmax over a single class is 1 everywhere"):
        pixel_kl(np.zeros((1, 2, 2, 1)), np.zeros((1, 2, 2, 1)))
    # A channel axis would broadcast to (1, 2, 2, 2) and count wrong pixels.
    with pytest.raises(ValueError, match=r"valid must have the shape .*\(1, 2, 2, 1\)"):
        pixel_kl(*np.zeros((2, 1, 2, 2, 3)), valid=np.ones((1, 2, 2, 1), bool))


def test_reads_back_from_its_config():
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(PixelKL(3.5))
    )
    assert isinstance(again, PixelKL)
    assert again.temperature == 3.5


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
    expected = divergence_by_hand(*logits, 2.0)
    assert found["distillation_loss"] == pytest.approx(expected, rel=1e-4)
    assert found["total_loss"] == pytest.approx(expected, rel=1e-4)
