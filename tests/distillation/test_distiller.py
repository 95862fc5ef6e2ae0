import importlib.util
import itertools
import json
import os
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from segshrink.data import IGNORE_INDEX
from segshrink.distillation import (
    DIST,
    AttentionTransfer,
    ChannelWise,
    Distiller,
    FeatureHint,
    PairwiseSimilarity,
    PixelKL,
    Term,
    boundary_weights,
    match_layers,
)
from segshrink.objectives import CrossEntropy, Dice, WeightedSum
from segshrink.pruning import plan_pruning
from segshrink.training.epochs import run_variables

from .losses import loops
from .losses.loops import Batch
from .networks import SIDE_PX, network

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (4, SIDE_PX, SIDE_PX, 3)).astype(np.uint8)
LABELS = GENERATOR.integers(0, 3, (4, SIDE_PX, SIDE_PX)).astype(np.uint8)
LABELS[:, :2] = IGNORE_INDEX
VALID = LABELS != IGNORE_INDEX
# With insides and borders, for what depends on those.
BLOCKS = np.zeros((4, SIDE_PX, SIDE_PX), np.uint8)
BLOCKS[:, 5:] = 1
BLOCKS[:, :, 6:] = 2
BLOCKS[1:, :1] = IGNORE_INDEX
LOGITS = GENERATOR.normal(size=(4, SIDE_PX, SIDE_PX, 3)).astype(np.float32)


def valley(seed=0, filters=4, *, norm=True, dropout=0.0, kernels="glorot_uniform"):
    """Down, up, and a skip: maps at full and half resolution."""
    keras.utils.set_random_seed(seed)

    def conv(filters, name, x):
        return layers.Conv2D(
            filters, 3, padding="same", kernel_initializer=kernels, name=name
        )(x)

    images = keras.Input((SIDE_PX, SIDE_PX, 3), name="images")
    x = conv(filters, "first", layers.Rescaling(1 / 255, name="rescaled")(images))
    x = layers.BatchNormalization(name="norm")(x) if norm else x
    skip = x = layers.Activation("tanh", name="skip")(x)
    x = layers.MaxPooling2D(2, name="pool")(layers.Dropout(dropout, name="drop")(x))
    x = conv(2 * filters, "deep", x)
    x = layers.BatchNormalization(name="deep_norm")(x) if norm else x
    x = layers.Activation("tanh", name="bottom")(x)
    x = layers.UpSampling2D(2, name="up")(x)
    x = conv(filters, "last", layers.Concatenate(name="joined")([x, skip]))
    return keras.Model(images, conv(3, "logits", x), name="valley")


def pair(terms=None, *, student=None, teacher=None, **options):
    """A distiller, and the student and teacher in it."""
    terms = [Term(PixelKL(2.0))] if terms is None else terms
    student = network(1, filters=2) if student is None else student
    teacher = network(2, filters=6) if teacher is None else teacher
    options = {"supervised": CrossEntropy()} | options
    return Distiller(student, teacher, terms=terms, **options), student, teacher


def valleys(terms, *, norm=True, filters=2, **options):
    """The same with maps of two resolutions; `terms` of the pairs of layers."""
    student, teacher = valley(1, filters, norm=norm), valley(2, 5, norm=norm)
    chosen = terms(match_layers(teacher, student))
    return pair(chosen, student=student, teacher=teacher, **options)


def every_loss(matches):
    """On logits, and on maps of two resolutions."""
    features = matches.select("encoder", "bottleneck")
    return [
        Term(PixelKL(2.0), 0.5),
        Term(ChannelWise(), 0.25),
        Term(DIST(), 0.3),
        Term(FeatureHint(), 0.7, features),
        Term(AttentionTransfer(), 2.0, features),
        Term(PairwiseSimilarity(), 1.5, matches.select("decoder")),
    ]


def fixed_projections(distiller, seed=7):
    """The same projections in each distiller, and no bias of 0."""
    generator = np.random.default_rng(seed)
    ours = {id(weight) for weight in distiller.student.weights}
    for weight in distiller.trainable_variables:
        if id(weight) not in ours:
            weight.assign(generator.normal(0, 0.5, weight.shape))


def trained(
    distiller, *, steps=1, optimizer=None, images=IMAGES, labels=LABELS, **options
):
    # Eagerly, since tracing takes longer than these few steps.
    distiller.compile(optimizer or keras.optimizers.SGD(0.1), run_eagerly=True)
    logs = []
    for _ in range(steps):
        distiller.reset_metrics()
        logs.append(
            distiller.train_on_batch(images, labels, return_dict=True, **options)
        )
    return [{name: float(value) for name, value in each.items()} for each in logs]


def values_of(model):
    return [ops.convert_to_numpy(variable) for variable in model.variables]


def assert_same(ours, theirs, **tolerance):
    for one, other in zip(values_of(ours), values_of(theirs), strict=True):
        if tolerance:
            np.testing.assert_allclose(one, other, **tolerance)
        else:
            np.testing.assert_array_equal(one, other)


def features(model, name, images=IMAGES, training=False):
    """A layer's map, without the code under test."""
    inner = keras.Model(model.input, model.get_layer(name).output)
    return ops.convert_to_numpy(inner(images, training=training))


def bilinear(maps, size):
    """Half-pixel centres, edges repeated; loops over lines."""
    for axis, length in ((1, size[0]), (2, size[1])):
        before = maps.shape[axis]
        lines = []
        for place in range(length):
            at = np.clip((place + 0.5) * before / length - 0.5, 0, before - 1)
            low = int(at)
            parts = [maps.take(min(low + i, before - 1), axis=axis) for i in (0, 1)]
            lines.append(parts[0] * (1 - at + low) + parts[1] * (at - low))
        maps = np.stack(lines, axis=axis)
    return maps


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


# -- The loss --------------------------------------------------------------------------


def test_loss_and_its_parts():
    distiller, student, teacher = pair([Term(PixelKL(2.0), 0.3)], supervised_weight=0.7)
    # BatchNormalization in training mode, as in the step; dropout is 0.
    logits = ops.convert_to_numpy(network(1, filters=2)(IMAGES, training=True))
    taught = ops.convert_to_numpy(teacher(IMAGES, training=False))
    supervised = float(CrossEntropy()(LABELS, logits))
    distilled = loops.pixel_kl(Batch(taught, logits, VALID), 2.0)
    (logs,) = trained(distiller)
    assert set(logs) == {"loss", "supervised", "pixel_kl"}
    assert logs["supervised"] == pytest.approx(supervised, rel=1e-5)
    assert logs["pixel_kl"] == pytest.approx(distilled, rel=1e-5)
    assert logs["loss"] == pytest.approx(0.7 * supervised + 0.3 * distilled, rel=1e-5)


def projected(distiller, maps, index):
    """By the projections in their order: kernels (1, 1, in, out), then bias."""
    ours = {id(weight) for weight in distiller.student.weights}
    weights = [
        ops.convert_to_numpy(weight)
        for weight in distiller.trainable_variables
        if id(weight) not in ours
    ]
    kernel, bias = weights[2 * index : 2 * index + 2]
    return maps @ kernel[0, 0] + bias


def test_every_loss_agrees_with_plain_loops():
    distiller, _, teacher = valleys(every_loss, supervised_weight=0.6)
    fixed_projections(distiller)
    twin = valley(1, 2)

    def batch(name, projection=None):
        ours, theirs = features(twin, name, training=True), features(teacher, name)
        if projection is not None:
            ours = projected(distiller, ours, projection)
        return Batch(theirs, ours, VALID)

    logits = batch("logits")
    expected = {
        "supervised": float(CrossEntropy()(LABELS, logits.student)),
        "pixel_kl": loops.pixel_kl(logits, 2.0),
        "channel_wise": loops.channel_wise(logits),
        "dist": loops.dist(logits),
        "feature_hint": np.mean(
            [
                loops.feature_hint(batch(name, i))
                for i, name in enumerate(("skip", "bottom"))
            ]
        ),
        "attention_transfer": np.mean(
            [loops.attention_transfer(batch(name)) for name in ("skip", "bottom")]
        ),
        "pairwise_similarity": loops.pairwise_similarity(batch("last")),
    }
    weights = (0.6, 0.5, 0.25, 0.3, 0.7, 2.0, 1.5)
    total = sum(w * x for w, x in zip(weights, expected.values(), strict=True))
    (logs,) = trained(distiller)
    assert logs == pytest.approx({**expected, "loss": total}, rel=1e-4)


def test_a_term_without_pairs_compares_the_logits():
    distiller, _, teacher = pair([Term(FeatureHint(), 1.0)])
    logits = ops.convert_to_numpy(network(1, filters=2)(IMAGES, training=True))
    taught = ops.convert_to_numpy(teacher(IMAGES))
    (logs,) = trained(distiller)
    expected = loops.feature_hint(Batch(taught, logits, VALID))
    assert logs["feature_hint"] == pytest.approx(expected, rel=1e-5)
    explicit, *_ = pair([Term(FeatureHint(), 1.0, None)])
    assert trained(explicit) == [logs]


def test_maps_of_other_resolution_are_resized_to_the_teachers():
    student, teacher = valley(1, 2), valley(2, 4)
    for named in ({"deep": "first"}, {"first": "deep"}):
        matches = match_layers(teacher, student, pairs=named).select("chosen")
        terms = [Term(FeatureHint(), 1.0, matches)]
        distiller, *_ = pair(terms, student=valley(1, 2), teacher=teacher)
        fixed_projections(distiller)
        ((ours, theirs),) = named.items()
        maps, expected = (
            features(student, ours, training=True),
            features(teacher, theirs),
        )
        if maps.shape[-1] != expected.shape[-1]:
            maps = projected(distiller, maps, 0)
        maps = bilinear(maps, expected.shape[1:3])
        student = valley(1, 2)
        (logs,) = trained(distiller)
        assert logs["feature_hint"] == pytest.approx(
            loops.feature_hint(Batch(expected, maps, VALID)), rel=1e-4
        )


def test_a_pruned_student_is_compared_with_the_channels_it_kept():
    teacher = valley(2, 6)
    plan = plan_pruning(teacher, keep=0.5, criterion="random", multiple_of=1)
    student, twin = plan.apply(teacher), plan.apply(teacher)
    kept = {layer.name: list(layer.kept) for layer in plan.layers}
    matches = match_layers(teacher, student, kept=kept).select(
        "encoder", "bottleneck", "decoder"
    )
    distiller, *_ = pair(
        [Term(FeatureHint(), 1.0, matches)], student=student, teacher=teacher
    )
    # No projection.
    assert [id(x) for x in distiller.trainable_variables] == [
        id(x) for x in student.trainable_variables
    ]
    channels = {"skip": kept["first"], "bottom": kept["deep"], "last": kept["last"]}
    expected = [
        loops.feature_hint(
            Batch(
                features(teacher, name)[..., some],
                features(twin, name, training=True),
                VALID,
            )
        )
        for name, some in channels.items()
    ]
    (logs,) = trained(distiller)
    assert logs["feature_hint"] == pytest.approx(np.mean(expected), rel=1e-4)


def test_supervised_may_be_a_sum_of_losses():
    supervised = WeightedSum([CrossEntropy(), Dice()], [1.0, 0.5])
    distiller, *_ = pair(supervised=supervised)
    logits = ops.convert_to_numpy(network(1, filters=2)(IMAGES, training=True))
    (logs,) = trained(distiller)
    expected = float(CrossEntropy()(LABELS, logits)) + 0.5 * float(
        Dice()(LABELS, logits)
    )
    assert logs["supervised"] == pytest.approx(expected, rel=1e-5)


def test_terms_of_weight_zero_are_supervised_training():
    distiller, student, _ = pair([Term(PixelKL(), 0.0)])
    alone = network(1, filters=2)
    alone.compile(keras.optimizers.SGD(0.1), loss=CrossEntropy(), run_eagerly=True)
    losses = [logs["loss"] for logs in trained(distiller, steps=3)]
    expected = []
    for _ in range(3):
        alone.reset_metrics()
        logs = alone.train_on_batch(IMAGES, LABELS, return_dict=True)
        expected.append(float(logs["loss"]))
    assert losses == pytest.approx(expected, rel=1e-6)
    assert_same(student, alone, rtol=1e-5, atol=1e-7)


def test_supervised_weight_zero_ignores_the_labels_but_for_void():
    first, student, _ = valleys(every_loss, supervised_weight=0)
    second, other, _ = valleys(every_loss, supervised_weight=0)
    for distiller in (first, second):
        fixed_projections(distiller)
    trained(first)
    trained(second, labels=np.where(LABELS == IGNORE_INDEX, IGNORE_INDEX, 1))
    assert_same(student, other)


def test_only_the_ratio_of_labels_and_teacher_counts_for_the_direction():
    """Twice all weights at half the rate is the same step."""
    one, student, _ = pair([Term(PixelKL(), 0.4)], supervised_weight=0.6)
    two, other, _ = pair([Term(PixelKL(), 0.8)], supervised_weight=1.2)
    trained(one, optimizer=keras.optimizers.SGD(0.1))
    trained(two, optimizer=keras.optimizers.SGD(0.05))
    assert_same(student, other, rtol=1e-5, atol=1e-7)


def test_logs_of_an_epoch_of_uneven_batches_add_up():
    distiller, *_ = pair([Term(PixelKL(), 0.5)])
    distiller.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    history = distiller.fit(
        IMAGES, LABELS, batch_size=3, epochs=1, verbose=0, shuffle=False
    ).history
    logs = {name: values[0] for name, values in history.items()}
    assert logs["loss"] == pytest.approx(
        logs["supervised"] + 0.5 * logs["pixel_kl"], rel=1e-5
    )


def test_logs_begin_anew_with_each_epoch():
    distiller, *_ = pair()
    distiller.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    for name, values in distiller.fit(
        IMAGES, LABELS, batch_size=4, epochs=2, verbose=0
    ).history.items():
        assert values[0] == pytest.approx(values[1], rel=1e-6), name


# -- Weights that change ---------------------------------------------------------------


SCHEDULES = {
    "cosine": lambda: keras.optimizers.schedules.CosineDecay(0.8, 3),
    "steps": lambda: keras.optimizers.schedules.PiecewiseConstantDecay(
        [0, 2], [1.0, 0.5, 0.0]
    ),
}


@pytest.mark.parametrize(("name", "eagerly"), [("cosine", True), ("steps", False)])
def test_weights_follow_the_steps_of_the_optimizer(name, eagerly):
    schedule, fading = SCHEDULES[name](), SCHEDULES["cosine"]()
    distiller, *_ = pair([Term(PixelKL(), schedule)], supervised_weight=fading)
    distiller.compile(
        keras.optimizers.SGD(0.01), run_eagerly=eagerly, jit_compile=False
    )
    for step in range(5):
        distiller.reset_metrics()
        logs = distiller.train_on_batch(IMAGES, LABELS, return_dict=True)
        now = [float(weight(step)) for weight in (fading, schedule)]
        assert float(logs["loss"]) == pytest.approx(
            now[0] * float(logs["supervised"]) + now[1] * float(logs["pixel_kl"]),
            rel=1e-5,
            abs=1e-7,
        )


def test_weights_continue_with_the_state_of_a_training():
    """All variables, the optimizer's among them, say where it was."""
    logs, state = [], None
    for steps in (2, 1):
        distiller, student, _ = pair(
            [Term(PixelKL(), SCHEDULES["cosine"]())], supervised_weight=0
        )
        optimizer = keras.optimizers.SGD(0.01)
        distiller.compile(optimizer, run_eagerly=True)
        optimizer.build(distiller.trainable_variables)
        variables = run_variables(student, distiller)
        for variable, value in zip(variables, state or (), strict=state is not None):
            variable.assign(value)
        for _ in range(steps):
            distiller.reset_metrics()
            logs.append(distiller.train_on_batch(IMAGES, LABELS, return_dict=True))
        state = [ops.convert_to_numpy(variable) for variable in variables]
    for step, each in enumerate(logs):
        expected = float(SCHEDULES["cosine"]()(step)) * float(each["pixel_kl"])
        assert float(each["loss"]) == pytest.approx(expected, rel=1e-5)


# -- Sample weights --------------------------------------------------------------------


def step_of(indices=slice(None), sample_weight=None, boundary_weight=1.0):
    """Logs and changed weights of one step with all losses, on some of the images."""
    distiller, *_ = valleys(every_loss, norm=False, boundary_weight=boundary_weight)
    fixed_projections(distiller)
    (logs,) = trained(
        distiller,
        optimizer=keras.optimizers.SGD(1.0),
        images=IMAGES[indices],
        labels=LABELS[indices],
        sample_weight=sample_weight,
    )
    weights = [ops.convert_to_numpy(x) for x in distiller.trainable_variables]
    return logs, weights


def assert_same_step(one, other):
    """Of losses, not their sum, and of the weights after it."""
    (logs, weights), (expected, others) = one, other
    parts = {name: value for name, value in expected.items() if name != "loss"}
    # Small differences of large numbers: not more digits than these.
    assert {name: logs[name] for name in parts} == pytest.approx(parts, rel=1e-4)
    for mine, its in zip(weights, others, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("boundary_weight", [1.0, 3.0])
def test_an_image_of_weight_zero_is_absent(boundary_weight):
    weight = np.array([1, 0, 1, 0], np.float32)
    assert_same_step(
        step_of(sample_weight=weight, boundary_weight=boundary_weight),
        step_of([0, 2], boundary_weight=boundary_weight),
    )


@pytest.mark.parametrize("boundary_weight", [1.0, 3.0])
def test_an_image_of_weight_two_counts_as_two(boundary_weight):
    weight = np.array([1, 2, 1], np.float32)
    assert_same_step(
        step_of([0, 1, 2], weight, boundary_weight),
        step_of([0, 1, 1, 2], boundary_weight=boundary_weight),
    )


def test_the_loss_logged_with_sample_weights_is_the_weighted_sum():
    logs, _ = step_of(sample_weight=np.array([1, 0.5, 0, 3], np.float32))
    weights = {"pixel_kl": 0.5, "channel_wise": 0.25, "dist": 0.3, "feature_hint": 0.7}
    weights |= {"attention_transfer": 2.0, "pairwise_similarity": 1.5, "supervised": 1}
    assert logs["loss"] == pytest.approx(
        sum(weight * logs[name] for name, weight in weights.items()), rel=1e-5
    )


def test_sample_weights_come_through_fit():
    distiller, student, _ = pair()
    weight = np.array([1, 0, 2, 0.5], np.float32)
    distiller.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    distiller.fit(
        IMAGES, LABELS, sample_weight=weight, batch_size=4, epochs=1, verbose=0,
        shuffle=False,
    )  # fmt: skip
    other, its_student, _ = pair()
    trained(other, sample_weight=weight)
    assert_same(student, its_student, rtol=1e-5, atol=1e-7)


# -- Void and boundaries ---------------------------------------------------------------


def dividing_teacher():
    """Its logits are NaN wherever the image is black."""
    images = keras.Input((SIDE_PX, SIDE_PX, 3))
    # 0 / 0 where a pixel is black.
    return keras.Model(images, ops.divide(images * images, images))


def test_a_teacher_that_fails_on_void_pixels_does_no_harm():
    teacher = dividing_teacher()
    pictures = np.maximum(IMAGES, 1)
    pictures[:, :2] = 0
    assert np.isnan(ops.convert_to_numpy(teacher(pictures))[:, :2]).all()
    terms = [Term(PixelKL()), Term(ChannelWise()), Term(DIST()), Term(FeatureHint())]
    distiller, student, _ = pair(terms, teacher=teacher, boundary_weight=2.0)
    (logs,) = trained(distiller, images=pictures)
    assert np.isfinite(list(logs.values())).all()
    assert all(np.isfinite(value).all() for value in values_of(student))


def test_features_that_fail_on_void_pixels_do_no_harm():
    """At full resolution and, by pooling, at half of it."""
    images = keras.Input((SIDE_PX, SIDE_PX, 3))
    x = layers.Conv2D(4, 1, name="first")(ops.divide(images * images, images))
    x = layers.AveragePooling2D(2, name="pool")(x)
    x = layers.Conv2D(6, 1, name="deep")(x)
    x = layers.UpSampling2D(2, name="up")(x)
    teacher = keras.Model(images, layers.Conv2D(3, 1, name="logits")(x))
    student = valley(1, 2)
    named = {"skip": "first", "bottom": "deep", "last": "up"}
    matches = match_layers(teacher, student, pairs=named).select("chosen")
    terms = [Term(PixelKL()), Term(FeatureHint(), 1.0, matches)]
    terms += [Term(AttentionTransfer(), 1.0, matches)]
    terms += [Term(PairwiseSimilarity(), 1.0, matches)]
    distiller, *_ = pair(terms, student=student, teacher=teacher)
    pictures = np.maximum(IMAGES, 1)
    pictures[:, :2] = 0
    (logs,) = trained(distiller, images=pictures)
    assert np.isfinite(list(logs.values())).all()
    assert all(np.isfinite(value).all() for value in values_of(distiller))


def test_a_batch_of_void_teaches_nothing():
    distiller, student, _ = valleys(every_loss, norm=False, boundary_weight=2.0)
    before = values_of(student)
    (logs,) = trained(distiller, labels=np.full_like(LABELS, IGNORE_INDEX))
    assert set(logs.values()) == {0.0}
    for now, then in zip(values_of(student), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_void_images_are_absent():
    labels = LABELS.copy()
    labels[[1, 3]] = IGNORE_INDEX
    distiller, student, _ = valleys(every_loss, norm=False)
    fixed_projections(distiller)
    (logs,) = trained(distiller, labels=labels)
    other, its_student, _ = valleys(every_loss, norm=False)
    fixed_projections(other)
    (expected,) = trained(other, images=IMAGES[::2], labels=LABELS[::2])
    assert logs == pytest.approx(expected, rel=1e-4)
    assert_same(student, its_student, rtol=1e-4, atol=1e-6)


def test_labels_may_have_a_channel_axis():
    plain = trained(pair()[0])
    assert trained(pair()[0], labels=LABELS[..., None]) == plain
    weighted = trained(pair(boundary_weight=3.0)[0])
    assert trained(pair(boundary_weight=3.0)[0], labels=LABELS[..., None]) == weighted


@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_labels_come_in_any_dtype(dtype):
    plain = trained(pair(boundary_weight=3.0)[0])
    assert trained(pair(boundary_weight=3.0)[0], labels=LABELS.astype(dtype)) == plain


@pytest.mark.parametrize(
    ("weight", "radius_px", "sample_weight"),
    [
        (3.0, 2, None),
        (0.0, 1, None),
        (3.0, 1, np.array([1, 0.5, 2, 0], np.float32)),
    ],
)
def test_pixels_at_boundaries_count_by_their_weight(weight, radius_px, sample_weight):
    def terms(matches):
        hint = Term(FeatureHint(), 1.0, matches.select("bottleneck"))
        return [Term(PixelKL(2.0)), Term(DIST()), Term(ChannelWise()), hint]

    distiller, _, teacher = valleys(
        terms, boundary_weight=weight, boundary_px=radius_px
    )
    fixed_projections(distiller)
    twin = valley(1, 2)
    # No other pixel weighs so: it is neither 0 nor 1 somewhere.
    pixels = ops.convert_to_numpy(boundary_weights(BLOCKS, weight, radius_px))
    assert {1.0, weight} == set(pixels.ravel().tolist())
    if sample_weight is not None:
        pixels = pixels * sample_weight[:, None, None]
    valid = BLOCKS != IGNORE_INDEX
    taught, logits = (
        features(teacher, "logits"),
        features(twin, "logits", training=True),
    )
    deep = projected(distiller, features(twin, "bottom", training=True), 0)
    weighted = Batch(taught, logits, valid, pixels)
    expected = {
        "supervised": float(CrossEntropy()(BLOCKS, logits, sample_weight)),
        "pixel_kl": loops.pixel_kl(weighted, 2.0),
        "dist": loops.dist(weighted),
        # Over whole images: not concerned.
        "channel_wise": loops.channel_wise(Batch(taught, logits, valid, sample_weight)),
        "feature_hint": loops.feature_hint(
            Batch(features(teacher, "bottom"), deep, valid, pixels)
        ),
    }
    (logs,) = trained(distiller, labels=BLOCKS, sample_weight=sample_weight)
    assert {name: logs[name] for name in expected} == pytest.approx(expected, rel=1e-4)
    direct = PixelKL(2.0).compute_loss(taught, logits, valid, pixels)
    assert logs["pixel_kl"] == pytest.approx(float(direct), rel=1e-5)


# -- Logits that come with the data ----------------------------------------------------


@pytest.mark.parametrize(("dtype", "eagerly"), [("float32", True), ("float16", False)])
def test_logits_of_the_data_stand_for_the_teacher(dtype, eagerly):
    online, student, teacher = pair(
        [Term(PixelKL()), Term(ChannelWise()), Term(DIST())]
    )
    taught = ops.convert_to_numpy(teacher(IMAGES)).astype(dtype)
    expected = trained(online, steps=2)
    replayed = Distiller(
        network(1, filters=2), None, supervised=CrossEntropy(), terms=online.terms
    )
    given = {"images": IMAGES, "teacher_logits": taught}
    replayed.compile(keras.optimizers.SGD(0.1), run_eagerly=eagerly, jit_compile=False)
    for logs in expected:
        replayed.reset_metrics()
        found = replayed.train_on_batch(given, LABELS, return_dict=True)
        assert {x: float(found[x]) for x in logs} == pytest.approx(
            logs, rel=1e-5 if dtype == "float32" else 1e-2
        )
    if dtype == "float32":
        assert_same(replayed.student, student, rtol=1e-4, atol=1e-6)


def square_means(maps, rows, columns):
    batch, height, width, channels = maps.shape
    shape = (batch, rows, height // rows, columns, width // columns, channels)
    return maps.reshape(shape).mean(axis=(2, 4))


@pytest.mark.parametrize("size", [(4, 4), (1, 1), (4, 8)])
def test_coarse_logits_are_compared_with_the_means_of_the_students(size):
    coarse = GENERATOR.normal(size=(4, *size, 3)).astype(np.float16)
    terms = [Term(PixelKL(2.0)), Term(ChannelWise()), Term(FeatureHint())]
    distiller = Distiller(
        network(1, filters=2),
        None,
        supervised=CrossEntropy(),
        terms=terms,
        boundary_weight=3.0,
    )
    logits = ops.convert_to_numpy(network(1, filters=2)(IMAGES, training=True))
    # Void where it does not coincide with the cells.
    labels = BLOCKS.copy()
    labels[0, :3, :5] = IGNORE_INDEX
    given = {"images": IMAGES, "teacher_logits": coarse}
    (logs,) = trained(distiller, images=given, labels=labels)
    assert logs["supervised"] == pytest.approx(
        float(CrossEntropy()(labels, logits)), rel=1e-5
    )
    means = square_means(logits, *size)
    # A square counts if no pixel of it is void, by the mean weight of its pixels.
    void = (labels == IGNORE_INDEX).astype(np.float32)[..., None]
    valid = square_means(void, *size)[..., 0] == 0
    pixels = ops.convert_to_numpy(boundary_weights(labels, 3.0))
    pixels = square_means(pixels[..., None], *size)[..., 0]
    weighted = Batch(coarse.astype(np.float32), means, valid, pixels)
    assert logs["pixel_kl"] == pytest.approx(loops.pixel_kl(weighted), rel=1e-4)
    assert logs["feature_hint"] == pytest.approx(loops.feature_hint(weighted), rel=1e-4)
    plain = weighted.but(sample_weight=None)
    assert logs["channel_wise"] == pytest.approx(
        loops.channel_wise(plain), rel=1e-4, abs=1e-6
    )


@pytest.mark.parametrize("size", [(3, 4), (4, 5), (16, 16)])
def test_refuses_logits_that_are_no_means_over_squares(size):
    distiller, *_ = pair()
    given = {"images": IMAGES, "teacher_logits": np.zeros((4, *size, 3), "float32")}
    with pytest.raises(ValueError, match=f"{size[0]}x{size[1]} are no means over squa"):
        trained(distiller, images=given)


def test_refuses_logits_of_other_classes():
    distiller, *_ = pair()
    given = {"images": IMAGES, "teacher_logits": LOGITS[..., :2]}
    with pytest.raises(ValueError, match="^pixel_kl: .*same shape, got"):
        trained(distiller, images=given)


def test_the_teacher_is_not_asked_where_the_data_brings_its_logits():
    given = {"images": IMAGES, "teacher_logits": LOGITS}
    with_teacher, *_ = pair()
    without = Distiller(
        network(1, filters=2), None, supervised=CrossEntropy(), terms=[Term(PixelKL())]
    )
    logs = trained(with_teacher, steps=2, images=given)
    assert logs == trained(without, steps=2, images=given)
    # The same distiller takes both.
    assert trained(with_teacher, images={"images": IMAGES}) != logs


def test_a_dict_of_images_alone_asks_the_teacher():
    plain = trained(pair()[0])
    assert trained(pair()[0], images={"images": IMAGES}) == plain


def test_logits_of_the_data_come_through_fit():
    given = {"images": IMAGES, "teacher_logits": LOGITS}
    distillers = [
        Distiller(
            network(1, filters=2),
            None,
            supervised=CrossEntropy(),
            terms=[Term(PixelKL())],
        )
        for _ in range(2)
    ]
    trained(distillers[0], images=given)
    distillers[1].compile(keras.optimizers.SGD(0.1), jit_compile=False)
    distillers[1].fit(given, LABELS, batch_size=4, verbose=0, shuffle=False)
    assert_same(distillers[0].student, distillers[1].student, rtol=1e-5, atol=1e-7)


def test_data_without_logits_needs_a_teacher():
    distiller = Distiller(
        network(1), None, supervised=CrossEntropy(), terms=[Term(PixelKL())]
    )
    for images in (IMAGES, {"images": IMAGES}):
        with pytest.raises(ValueError, match='has no teacher: .*"teacher_logits"'):
            trained(distiller, images=images)


def test_logits_alone_do_not_serve_terms_on_feature_maps():
    distiller, *_ = valleys(every_loss)
    with pytest.raises(ValueError, match="feature_hint|feature maps"):
        trained(distiller, images={"images": IMAGES, "teacher_logits": LOGITS})


# -- Precision, compilation, backends --------------------------------------------------


@pytest.fixture
def mixed():
    before = keras.config.dtype_policy()
    yield lambda name: keras.config.set_dtype_policy(name)
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("policy_for_all", [False, True])
def test_mixed_precision_gives_finite_float32_losses(mixed, policy_for_all):
    mixed("mixed_bfloat16")
    student = valley(1, 2)
    if not policy_for_all:
        mixed("float32")
    teacher = valley(2, 5)
    mixed("mixed_bfloat16" if policy_for_all else "float32")
    matches = match_layers(teacher, student)
    distiller, *_ = pair(every_loss(matches), student=student, teacher=teacher)
    fixed_projections(distiller)
    outputs = distiller(IMAGES, training=True)
    assert "bfloat16" in {keras.backend.standardize_dtype(x.dtype) for x in outputs}
    loss = distiller.compute_loss(x=IMAGES, y=LABELS, y_pred=outputs)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    (logs,) = trained(distiller)
    assert np.isfinite(list(logs.values())).all()
    mixed("float32")
    exact, *_ = valleys(every_loss)
    fixed_projections(exact)
    # bfloat16 has three digits.
    assert logs == pytest.approx(trained(exact)[0], rel=0.1)


def test_compiled_by_xla_or_not_it_is_the_same():
    weight = np.array([1, 0.5, 2, 1], np.float32)
    logs, students = [], []
    for options in ({"run_eagerly": True}, {"jit_compile": True}):
        distiller, student, _ = valleys(every_loss, boundary_weight=2.0)
        fixed_projections(distiller)
        distiller.compile(keras.optimizers.SGD(0.1), **options)
        found = distiller.train_on_batch(
            IMAGES, LABELS, sample_weight=weight, return_dict=True
        )
        logs.append({name: float(value) for name, value in found.items()})
        students.append(student)
    assert logs[0] == pytest.approx(logs[1], rel=1e-4)
    assert_same(*students, rtol=1e-4, atol=1e-4)


def test_a_step_says_nothing():
    """Keras warns of inputs whose structure it did not expect."""
    distiller, *_ = valleys(every_loss)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(distiller)


ON_ANOTHER_BACKEND = """
import sys
sys.path.insert(0, sys.argv[1])
from distillation import test_distiller
test_distiller.report_steps(*sys.argv[2:])
"""


def report_steps(weights_file, out_file):
    """Steps with all losses, and with a fading one; the outcome as a file."""
    data = np.load(weights_file)
    # Random kernels, which would not be the same, cost JAX seconds.
    student, teacher = valley(1, 2, kernels="zeros"), valley(2, 5, kernels="zeros")
    for name, model in (("student", student), ("teacher", teacher)):
        model.set_weights([data[f"{name}_{i}"] for i in range(len(model.weights))])
    matches = match_layers(teacher, student)
    distiller, *_ = pair(
        every_loss(matches), student=student, teacher=teacher, boundary_weight=2.0
    )
    fixed_projections(distiller)
    weight = np.array([1, 0.5, 2, 1], np.float32)
    distiller.compile(keras.optimizers.SGD(0.1))
    logs = distiller.train_on_batch(
        IMAGES, LABELS, sample_weight=weight, return_dict=True
    )
    # train_on_batch leaves the weights elsewhere on JAX until it is asked.
    if hasattr(distiller, "jax_state_sync"):
        distiller.jax_state_sync()
    report = {"logs": {name: float(value) for name, value in logs.items()}}
    result = {f"weight_{i}": x for i, x in enumerate(values_of(student))}
    ours = {id(x) for x in student.variables}
    projections = [x for x in distiller.trainable_variables if id(x) not in ours]
    result |= {
        f"projection_{i}": ops.convert_to_numpy(x) for i, x in enumerate(projections)
    }
    result |= {f"teacher_{i}": x for i, x in enumerate(values_of(teacher))}
    report["fading"] = _fading(teacher, data)
    np.savez(out_file, report=np.array(json.dumps(report)), **result)


def _fading(teacher, data):
    """Losses of three epochs of one step, of a term that is gone by the third."""
    student = valley(1, 2, kernels="zeros")
    student.set_weights([data[f"student_{i}"] for i in range(len(student.weights))])
    schedule = keras.optimizers.schedules.CosineDecay(1.0, 2)
    distiller, *_ = pair(
        [Term(PixelKL(), schedule)],
        student=student,
        teacher=teacher,
        supervised_weight=0.0,
    )
    distiller.compile(keras.optimizers.SGD(0.0))
    try:
        history = distiller.fit(IMAGES, LABELS, batch_size=4, epochs=3, verbose=0)
    except Exception as error:  # noqa: BLE001  # told by the test
        return f"{type(error).__name__}: {error}"
    return [float(x) for x in history.history["loss"]]


@pytest.fixture(scope="module", params=["jax", "torch"])
def elsewhere(request, tmp_path_factory):
    """Steps on this backend and on another: (report, arrays) of each."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    folder = tmp_path_factory.mktemp(request.param)
    weights = {
        f"{name}_{i}": value
        for name, model in (("student", valley(1, 2)), ("teacher", valley(2, 5)))
        for i, value in enumerate(values_of_weights(model))
    }
    np.savez(folder / "weights.npz", **weights)
    report_steps(folder / "weights.npz", folder / "here.npz")
    arguments = [
        Path(__file__).parents[1],
        folder / "weights.npz",
        folder / "there.npz",
    ]
    done = subprocess.run(
        [sys.executable, "-c", ON_ANOTHER_BACKEND, *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": request.param},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = []
    for name in ("here", "there"):
        with np.load(folder / f"{name}.npz") as saved:
            arrays = {key: saved[key] for key in saved.files if key != "report"}
            results.append((json.loads(str(saved["report"])), arrays))
    return results


def values_of_weights(model):
    return [ops.convert_to_numpy(weight) for weight in model.weights]


def test_a_step_is_the_same_on_another_backend(elsewhere):
    (here, ours), (there, theirs) = elsewhere
    assert there["logs"] == pytest.approx(here["logs"], rel=1e-4)
    assert set(ours) == set(theirs)
    assert any(key.startswith("projection") for key in ours)
    for key, value in ours.items():
        np.testing.assert_allclose(theirs[key], value, rtol=1e-4, atol=1e-4)
        if key.startswith("teacher"):
            np.testing.assert_array_equal(theirs[key], value)


def test_fading_weights_are_the_same_on_another_backend(elsewhere):
    (here, _), (there, _) = elsewhere
    first, second, third = here["fading"]
    assert second == pytest.approx(first / 2, rel=1e-5) and third == 0
    assert there["fading"] == pytest.approx(here["fading"], rel=1e-4)


# -- Refusals --------------------------------------------------------------------------


class Foreign(keras.distillation.DistillationLoss):
    name = "foreign"

    def compute_loss(self, teacher_outputs, student_outputs, **options):
        return ops.mean(ops.square(teacher_outputs - student_outputs))


def test_refuses_losses_that_know_of_no_void():
    for loss in (
        Foreign(),
        keras.distillation.LogitsDistillation(),
        keras.losses.MeanSquaredError(),
    ):
        kind = type(loss).__name__
        with pytest.raises(ValueError, match=f"^{kind}: knows of no void. Take a loss"):
            pair([Term(PixelKL()), Term(loss)])


@pytest.mark.parametrize("loss", [PixelKL(), DIST()])
def test_refuses_pairs_for_losses_of_classes(loss):
    with pytest.raises(
        ValueError, match=rf"^{loss.name}: compares classes, .*\. Drop its pairs"
    ):
        valleys(lambda matches: [Term(loss, 1.0, matches)])


def test_refuses_pairs_without_a_teacher():
    student = valley(1, 2)
    terms = [Term(FeatureHint(), 1.0, match_layers(valley(2, 5), student))]
    with pytest.raises(
        ValueError, match="^feature_hint: feature maps need a teacher, got None"
    ):
        Distiller(student, None, supervised=CrossEntropy(), terms=terms)


def test_refuses_pairs_of_other_models():
    """Before the first step, which would only say that an axis is wrong."""
    student, teacher = valley(1, 2), valley(2, 5)
    unknown = match_layers(network(2), network(1)).select("bottleneck")
    wider = match_layers(teacher, valley(1, 3)).select("bottleneck")
    for matches in (unknown, wider):
        with pytest.raises(ValueError):
            pair([Term(FeatureHint(), 1.0, matches)], student=student, teacher=teacher)


@pytest.mark.parametrize("classes", [1, 2])
def test_refuses_relations_among_two_classes(classes):
    models = {"student": network(1, classes=classes)}
    models |= {"teacher": network(2, classes=classes)}
    with pytest.raises(ValueError, match=f"over {classes} classes .*Set inter to 0"):
        pair([Term(DIST())], **models)
    pair([Term(DIST(inter=0))], **models)


def test_refuses_two_terms_of_one_name():
    with pytest.raises(ValueError, match=r"names differ, got \['pixel_kl', 'pixel_kl'"):
        pair([Term(PixelKL(1.0)), Term(PixelKL(2.0))])
    with pytest.raises(ValueError, match="at least one"):
        pair([])


def test_refuses_a_term_with_the_name_of_the_supervised_loss():
    loss = PixelKL()
    loss.name = "supervised"
    with pytest.raises(ValueError, match="names differ"):
        pair([Term(loss)])


def test_refuses_a_boundary_weight_without_effect():
    over_images = [Term(ChannelWise()), Term(AttentionTransfer())]
    with pytest.raises(
        ValueError,
        match="no effect on channel_wise, attention_transfer, which compare whole im",
    ):
        pair(over_images, boundary_weight=2.0)
    pair([*over_images, Term(PixelKL())], boundary_weight=2.0)


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf"), np.float32(-1)])
def test_refuses_weights_out_of_range(weight):
    for options in (
        {"terms": [Term(PixelKL(), weight)]},
        {"supervised_weight": weight},
        {"boundary_weight": weight},
    ):
        with pytest.raises(
            ValueError, match=rf"weight must be at least 0, got {weight}"
        ):
            pair(**options)


@pytest.mark.parametrize("zero", [0, 0.0, np.float32(0)])
def test_refuses_weights_that_are_all_zero(zero):
    with pytest.raises(
        ValueError, match="all weights are 0: there is nothing to learn"
    ):
        pair([Term(PixelKL(), zero), Term(DIST(), zero)], supervised_weight=zero)


@pytest.mark.parametrize("radius_px", [0, -1])
def test_refuses_a_radius_of_nothing(radius_px):
    with pytest.raises(ValueError, match=f"got {radius_px}"):
        pair(boundary_weight=2.0, boundary_px=radius_px)


def test_refuses_models_that_do_not_fit_together():
    with pytest.raises(ValueError, match=r"same output_shape, got \(None, 8, 8, 4\) a"):
        pair(student=network(classes=3), teacher=network(classes=4))
    tall = keras.Input((16, SIDE_PX, 3))
    with pytest.raises(ValueError, match=r"same input_shape, got \(None, 16, 8, 3\)"):
        pair(student=network(), teacher=keras.Model(tall, tall))


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
