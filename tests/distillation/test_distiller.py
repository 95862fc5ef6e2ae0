import itertools
import zipfile

import keras
import numpy as np
import pytest
from keras import layers, ops

from segshrink.distillation import (
    DIST,
    ChannelWise,
    FeatureHint,
    PixelKL,
    Term,
    match_layers,
)
from segshrink.objectives import CrossEntropy

from .distillers import (
    IMAGES,
    LABELS,
    LOGITS,
    VALID,
    assert_same,
    every_loss,
    fixed_projections,
    pair,
    trained,
    valley,
    valleys,
    values_of,
)
from .losses import loops
from .losses.loops import Batch
from .networks import SIDE_PX, network

# -- Who is trained --------------------------------------------------------------------


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


def test_trains_projections_beside_the_student():
    distiller, student, teacher = valleys(every_loss)
    ours = {id(weight) for weight in student.variables}
    theirs = {id(weight) for weight in teacher.variables}
    projections = [x for x in distiller.trainable_variables if id(x) not in ours]
    # A kernel and a bias for each of two maps; the other losses need none.
    shapes = [tuple(weight.shape) for weight in projections]
    assert shapes == [(1, 1, 2, 5), (5,), (1, 1, 4, 10), (10,)]
    assert not theirs & {id(weight) for weight in distiller.variables}
    frozen = values_of(teacher)
    before = [ops.convert_to_numpy(weight) for weight in projections]
    trained(distiller, optimizer=keras.optimizers.AdamW(0.1, weight_decay=1))
    for weight, then in zip(projections, before, strict=True):
        assert (ops.convert_to_numpy(weight) != then).any()
    for now, then in zip(values_of(teacher), frozen, strict=True):
        np.testing.assert_array_equal(now, then)


def test_leaves_the_callers_models_as_they_are():
    """Flags, configuration and state but for the student's weights."""
    teacher, student = valley(2, 5, dropout=0.5), valley(1, 2)
    teacher.get_layer("first").trainable = False
    student.get_layer("deep").trainable = False
    configs = [model.get_config() for model in (teacher, student)]
    still = values_of(student.get_layer("deep"))
    state = [
        (variable.path, ops.convert_to_numpy(variable).copy())
        for layer in teacher.layers
        for variable in layer.variables
    ]
    distiller, *_ = pair(
        every_loss(match_layers(teacher, student)), student=student, teacher=teacher
    )
    trained(distiller, steps=2)
    assert teacher.trainable and student.trainable
    frozen = [
        [layer.name for layer in model.layers if not layer.trainable]
        for model in (teacher, student)
    ]
    assert frozen == [["first"], ["deep"]]
    assert [model.get_config() for model in (teacher, student)] == configs
    for now, then in zip(values_of(student.get_layer("deep")), still, strict=True):
        np.testing.assert_array_equal(now, then)
    # Statistics and the seeds of dropout as well.
    variables = [x for layer in teacher.layers for x in layer.variables]
    for variable, (path, then) in zip(variables, state, strict=True):
        assert variable.path == path
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), then)


def test_sends_no_gradient_to_the_teacher():
    tf = pytest.importorskip("tensorflow")
    distiller, student, teacher = valleys(every_loss)
    with tf.GradientTape() as tape:
        outputs = distiller(IMAGES, training=True)
        loss = distiller.compute_loss(x=IMAGES, y=LABELS, y_pred=outputs)
    weights = [w.value for model in (teacher, student) for w in model.trainable_weights]
    gradients = tape.gradient(loss, weights)
    count = len(teacher.trainable_weights)
    assert all(gradient is None for gradient in gradients[:count])
    assert all(np.any(gradient) for gradient in gradients[count:])


def test_the_teacher_runs_in_inference_mode():
    """Neither its dropout nor the statistics of the batch show in what it says."""
    teacher = network(2, filters=6, dropout=0.9)
    distiller, student, _ = pair(teacher=teacher, supervised_weight=0.0)
    taught = ops.convert_to_numpy(teacher(IMAGES, training=False))
    logits = ops.convert_to_numpy(network(1, filters=2)(IMAGES, training=True))
    expected = loops.pixel_kl(Batch(taught, logits, VALID))
    rest = keras.optimizers.SGD(0.0)
    for logs in trained(distiller, steps=2, optimizer=rest):
        assert logs["pixel_kl"] == pytest.approx(expected, rel=1e-5)


def test_one_forward_pass_of_the_student_a_step():
    """Batch normalization moves its statistics once, and by the batch's own."""
    distiller, student, _ = pair()
    first, norm = student.get_layer("first"), student.get_layer("norm")
    maps = ops.convert_to_numpy(first(IMAGES.astype(np.float32) / 255))
    expected = 0.99 * np.zeros(2) + 0.01 * maps.mean(axis=(0, 1, 2))
    trained(distiller)
    np.testing.assert_allclose(norm.moving_mean, expected, rtol=1e-5)
    variance = 0.99 * np.ones(2) + 0.01 * maps.var(axis=(0, 1, 2))
    np.testing.assert_allclose(norm.moving_variance, variance, rtol=1e-5)


def sequential(seed=1):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((SIDE_PX, SIDE_PX, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(2, 3, padding="same", activation="relu", name="first"),
            layers.BatchNormalization(name="norm"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Conv2D(4, 3, padding="same", name="deep"),
            layers.UpSampling2D(2, name="up"),
            layers.Conv2D(3, 1, name="logits"),
        ]
    )


ONCE = {
    "functional": lambda: valley(1, 2),
    "sequential": sequential,
    # As by loading a file or applying a plan.
    "from_config": lambda: keras.Sequential.from_config(sequential().get_config()),
}


@pytest.mark.parametrize("name", ONCE)
def test_one_forward_pass_also_with_terms_on_several_layers(name):
    student, teacher = ONCE[name](), valley(2, 5)
    matches = match_layers(teacher, student)
    distiller, *_ = pair(every_loss(matches), student=student, teacher=teacher)
    first, norm = student.get_layer("first"), student.get_layer("norm")
    maps = ops.convert_to_numpy(first(IMAGES.astype(np.float32) / 255))
    expected = 0.01 * maps.mean(axis=(0, 1, 2))
    trained(distiller)
    np.testing.assert_allclose(norm.moving_mean, expected, rtol=1e-4, atol=1e-7)


def test_the_student_stays_a_plain_model(tmp_path):
    distiller, student, _ = valleys(every_loss)
    names = [layer.name for layer in student.layers]
    trained(distiller)
    assert [layer.name for layer in student.layers] == names
    assert [id(x) for x in student.weights] == [
        id(x) for layer in student.layers for x in layer.weights
    ]
    assert type(student) is type(valley()) and not student.compiled
    file = tmp_path / "student.keras"
    student.save(file)
    with zipfile.ZipFile(file) as archive:
        text = archive.read("config.json").decode()
    for ours in ("segshrink", "istill", "projection"):
        assert ours not in text
    loaded = keras.saving.load_model(file)
    assert [layer.name for layer in loaded.layers] == names
    assert_same(loaded, student)
    np.testing.assert_array_equal(loaded(IMAGES), student(IMAGES))


def test_evaluation_changes_nothing():
    distiller, student, _ = valleys(every_loss)
    fixed_projections(distiller)
    distiller.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    before = values_of(student)
    logs = distiller.evaluate(IMAGES, LABELS, batch_size=4, return_dict=True, verbose=0)
    for now, then in zip(values_of(student), before, strict=True):
        np.testing.assert_array_equal(now, then)
    logits = ops.convert_to_numpy(student(IMAGES, training=False))
    expected = float(CrossEntropy()(LABELS, logits))
    assert logs["supervised"] == pytest.approx(expected, rel=1e-5)


# -- Models of other kinds -------------------------------------------------------------


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="subclassed")
        self.logits = layers.Conv2D(3, 1)

    def call(self, images):
        return self.logits(ops.cast(images, "float32") / 255)


def open_size(seed=3):
    keras.utils.set_random_seed(seed)
    images = keras.Input((None, None, 3))
    return keras.Model(images, layers.Conv2D(3, 1)(layers.Rescaling(1 / 255)(images)))


@pytest.mark.parametrize("eagerly", [True, False])
def test_models_of_open_size_learn_by_their_logits(eagerly):
    distiller, *_ = pair(
        [Term(PixelKL()), Term(ChannelWise()), Term(DIST())],
        student=open_size(),
        teacher=open_size(4),
        boundary_weight=2.0,
    )
    distiller.compile("sgd", run_eagerly=eagerly, jit_compile=False)
    for images in (IMAGES, {"images": IMAGES, "teacher_logits": LOGITS[:, ::4, ::4]}):
        logs = distiller.train_on_batch(images, LABELS, return_dict=True)
        assert np.isfinite([float(value) for value in logs.values()]).all()


@pytest.mark.parametrize("which", ["student", "teacher"])
def test_subclassed_models_learn_by_their_logits(which):
    """As the refusal of `match_layers` advises."""
    model = Subclassed()
    model(IMAGES)
    distiller, *_ = pair(**{which: model})
    (logs,) = trained(distiller)
    assert np.isfinite(list(logs.values())).all()


@pytest.mark.parametrize(
    ("ours", "theirs"), itertools.product(["network", "sequential"], repeat=2)
)
def test_functional_and_sequential_models_teach_each_other(ours, theirs):
    make = {"network": lambda seed: network(seed), "sequential": sequential}
    student, teacher = make[ours](1), make[theirs](2)
    terms = [
        Term(FeatureHint(), 1.0, match_layers(teacher, student).select("bottleneck"))
    ]
    (logs,) = trained(pair(terms, student=student, teacher=teacher)[0])
    assert np.isfinite(list(logs.values())).all()
