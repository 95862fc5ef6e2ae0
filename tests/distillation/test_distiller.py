import keras
import numpy as np
import pytest
from keras import ops

from segshrink.data import IGNORE_INDEX
from segshrink.distillation import Distiller, PixelKL, pixel_kl
from segshrink.objectives import CrossEntropy

from .networks import SIDE_PX, network

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (4, SIDE_PX, SIDE_PX, 3)).astype(np.uint8)
LABELS = GENERATOR.integers(0, 3, (4, SIDE_PX, SIDE_PX)).astype(np.uint8)
LABELS[:, :2] = IGNORE_INDEX


def pair(**options):
    """A distiller, and the student and teacher in it."""
    student, teacher = network(1, filters=2), network(2, filters=6)
    distiller = Distiller(
        student,
        teacher,
        **{"supervised": CrossEntropy(), "distillation": PixelKL(2.0)} | options,
    )
    return distiller, student, teacher


def trained(distiller, *, steps=1, optimizer=None, labels=LABELS):
    # Eagerly, since tracing takes longer than these few steps.
    distiller.compile(optimizer or keras.optimizers.SGD(0.1), run_eagerly=True)
    return [
        distiller.train_on_batch(IMAGES, labels, return_dict=True) for _ in range(steps)
    ]


def values_of(model):
    return [ops.convert_to_numpy(variable) for variable in model.variables]


def test_trains_the_student_alone():
    distiller, student, teacher = pair()
    assert [id(x) for x in distiller.trainable_variables] == [
        id(x) for x in student.trainable_variables
    ]
    before = values_of(teacher)
    # Decay would shrink a teacher that counted as trainable, even without a gradient.
    trained(distiller, steps=3, optimizer=keras.optimizers.AdamW(0.1, weight_decay=1))
    for now, then in zip(values_of(teacher), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_leaves_the_callers_teacher_as_it_is():
    teacher = network(2)
    teacher.get_layer("first").trainable = False
    trained(
        Distiller(
            network(1), teacher, supervised=CrossEntropy(), distillation=PixelKL()
        )
    )
    assert teacher.trainable
    assert [layer.name for layer in teacher.layers if not layer.trainable] == ["first"]


def test_sends_no_gradient_to_the_teacher():
    tf = pytest.importorskip("tensorflow")
    distiller, student, teacher = pair()
    with tf.GradientTape() as tape:
        logits = distiller(IMAGES, training=True)
        loss = distiller.compute_loss(x=IMAGES, y=LABELS, y_pred=logits)
    weights = [w.value for model in (teacher, student) for w in model.trainable_weights]
    gradients = tape.gradient(loss, weights)
    count = len(teacher.trainable_weights)
    assert all(gradient is None for gradient in gradients[:count])
    assert all(np.any(gradient) for gradient in gradients[count:])


def test_one_forward_pass_of_the_student_a_step():
    """Batch normalization moves its statistics once, and by the batch's own."""
    distiller, student, _ = pair()
    first, norm = student.get_layer("first"), student.get_layer("norm")
    features = ops.convert_to_numpy(first(IMAGES.astype(np.float32) / 255))
    expected = 0.99 * np.zeros(2) + 0.01 * features.mean(axis=(0, 1, 2))
    trained(distiller)
    np.testing.assert_allclose(norm.moving_mean, expected, rtol=1e-5)
    variance = 0.99 * np.ones(2) + 0.01 * features.var(axis=(0, 1, 2))
    np.testing.assert_allclose(norm.moving_variance, variance, rtol=1e-5)


def test_loss_and_its_parts():
    distiller, student, teacher = pair(weight=0.3)
    # BatchNormalization in training mode, as in the step; dropout is 0.
    logits = ops.convert_to_numpy(student(IMAGES, training=True))
    taught = ops.convert_to_numpy(teacher(IMAGES, training=False))
    supervised = float(CrossEntropy()(LABELS, logits))
    distilled = float(pixel_kl(taught, logits, 2.0, LABELS != IGNORE_INDEX))
    (logs,) = trained(distiller)
    assert set(logs) == {"loss", "supervised", "distillation"}
    assert logs["supervised"] == pytest.approx(supervised, rel=1e-5)
    assert logs["distillation"] == pytest.approx(distilled, rel=1e-5)
    assert logs["loss"] == pytest.approx(0.7 * supervised + 0.3 * distilled, rel=1e-5)


def test_weight_zero_is_supervised_training():
    distiller, student, _ = pair(weight=0)
    alone = network(1, filters=2)
    alone.compile(keras.optimizers.SGD(0.1), loss=CrossEntropy(), run_eagerly=True)
    losses = [logs["loss"] for logs in trained(distiller, steps=3)]
    expected = [
        alone.train_on_batch(IMAGES, LABELS, return_dict=True)["loss"] for _ in range(3)
    ]
    assert losses == pytest.approx(expected, rel=1e-6)
    for ours, theirs in zip(values_of(student), values_of(alone), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_weight_one_ignores_the_labels_but_for_void():
    first, student, _ = pair(weight=1)
    second, other, _ = pair(weight=1)
    trained(first)
    trained(second, labels=np.where(LABELS == IGNORE_INDEX, IGNORE_INDEX, 1))
    for ours, theirs in zip(values_of(student), values_of(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_teacher_that_fails_on_void_pixels_does_no_harm():
    """Its logits are NaN wherever the image is black, and there is void."""
    images = keras.Input((SIDE_PX, SIDE_PX, 3))
    # 0 / 0 where a pixel is black.
    teacher = keras.Model(images, ops.divide(images * images, images))
    pictures = np.maximum(IMAGES, 1)
    pictures[:, :2] = 0
    assert np.isnan(ops.convert_to_numpy(teacher(pictures))[:, :2]).all()
    student = network(1, filters=2)
    distiller = Distiller(
        student, teacher, supervised=CrossEntropy(), distillation=PixelKL()
    )
    distiller.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    logs = distiller.train_on_batch(pictures, LABELS, return_dict=True)
    assert np.isfinite(list(logs.values())).all()
    assert all(np.isfinite(value).all() for value in values_of(student))


def test_labels_may_have_a_channel_axis():
    plain = trained(pair()[0])
    assert trained(pair()[0], labels=LABELS[..., None]) == plain


@pytest.mark.parametrize("weight", [-0.1, 1.5, float("nan")])
def test_refuses_a_weight_outside_0_to_1(weight):
    with pytest.raises(ValueError, match=rf"must lie in \[0, 1\], got {weight}"):
        pair(weight=weight)


def test_refuses_models_that_do_not_fit_together():
    losses = {"supervised": CrossEntropy(), "distillation": PixelKL()}
    with pytest.raises(ValueError, match=r"same output_shape, got \(None, 8, 8, 4\) a"):
        Distiller(network(classes=3), network(classes=4), **losses)
    tall = keras.Input((16, SIDE_PX, 3))
    with pytest.raises(ValueError, match=r"same input_shape, got \(None, 16, 8, 3\)"):
        Distiller(network(), keras.Model(tall, tall), **losses)
    with pytest.raises(ValueError, match="single class is 1 everywhere and teaches no"):
        Distiller(network(classes=1), network(classes=1), **losses)


def test_refuses_sample_weights():
    distiller, _, _ = pair()
    distiller.compile("sgd", run_eagerly=True)
    with pytest.raises(
        ValueError, match="mark pixels that must not count with label 2"
    ):
        distiller.train_on_batch(IMAGES, LABELS, sample_weight=np.ones(4))
