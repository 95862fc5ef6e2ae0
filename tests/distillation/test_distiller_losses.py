import keras
import numpy as np
import pytest
from keras import ops

from segshrink.data import IGNORE_INDEX
from segshrink.distillation import (
    FeatureHint,
    PixelKL,
    Term,
    match_layers,
)
from segshrink.objectives import CrossEntropy, Dice, WeightedSum
from segshrink.pruning import plan_pruning
from segshrink.training.epochs import run_variables

from .distillers import (
    IMAGES,
    LABELS,
    VALID,
    assert_same,
    bilinear,
    every_loss,
    features,
    fixed_projections,
    pair,
    projected,
    trained,
    valley,
    valleys,
)
from .losses import loops
from .losses.loops import Batch
from .networks import network

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


def test_what_the_layers_of_the_student_add_is_added():
    student = network(1, filters=2)
    plain, *_ = pair(student=student)
    logits = student(IMAGES, training=False)
    before = float(plain.compute_loss(IMAGES, LABELS, logits, training=False))
    layer = next(x for x in student.layers if isinstance(x, keras.layers.Conv2D))
    layer.kernel.regularizer = keras.regularizers.L2(0.5)
    added = 0.5 * float(np.square(ops.convert_to_numpy(layer.kernel)).sum())
    distiller, *_ = pair(student=student)
    found = float(distiller.compute_loss(IMAGES, LABELS, logits, training=False))
    assert added > 0.01
    assert found == pytest.approx(before + added, rel=1e-5)


def test_every_loss_agrees_with_plain_loops():
    distiller, _, teacher = valleys(every_loss, supervised_weight=0.6)
    fixed_projections(distiller)
    copy = valley(1, 2)

    def batch(name, projection=None):
        ours, theirs = features(copy, name, training=True), features(teacher, name)
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
    student, copy = plan.apply(teacher), plan.apply(teacher)
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
                features(copy, name, training=True),
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


def test_logs_start_over_with_each_epoch():
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
