import keras
import numpy as np
import pytest
from keras import layers, ops

from segshrink.data import IGNORE_INDEX
from segshrink.distillation import (
    DIST,
    AttentionTransfer,
    ChannelWise,
    FeatureHint,
    PairwiseSimilarity,
    PixelKL,
    Term,
    boundary_weights,
    match_layers,
)
from segshrink.objectives import CrossEntropy

from .distillers import (
    BLOCKS,
    IMAGES,
    LABELS,
    assert_same,
    every_loss,
    features,
    fixed_projections,
    pair,
    projected,
    trained,
    valley,
    valleys,
    values_of,
)
from .losses import loops
from .losses.loops import Batch
from .networks import SIDE_PX

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
    ("weight", "sample_weight"),
    [
        (3.0, None),
        (0.0, None),
        (3.0, np.array([1, 0.5, 2, 0], np.float32)),
    ],
)
def test_pixels_at_boundaries_count_by_their_weight(weight, sample_weight):
    def terms(matches):
        hint = Term(FeatureHint(), 1.0, matches.select("bottleneck"))
        return [Term(PixelKL(2.0)), Term(DIST()), Term(ChannelWise()), hint]

    distiller, _, teacher = valleys(terms, boundary_weight=weight)
    fixed_projections(distiller)
    copy = valley(1, 2)
    # No other pixel weighs so: it is neither 0 nor 1 somewhere.
    pixels = ops.convert_to_numpy(boundary_weights(BLOCKS, weight))
    assert {1.0, weight} == set(pixels.ravel().tolist())
    if sample_weight is not None:
        pixels = pixels * sample_weight[:, None, None]
    valid = BLOCKS != IGNORE_INDEX
    taught, logits = (
        features(teacher, "logits"),
        features(copy, "logits", training=True),
    )
    deep = projected(distiller, features(copy, "bottom", training=True), 0)
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
