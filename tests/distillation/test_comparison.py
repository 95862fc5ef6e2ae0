import keras
import numpy as np
import pytest
from keras import ops

from segshrink.data import IGNORE_INDEX
from segshrink.distillation import (
    DIST,
    ChannelWise,
    Distiller,
    FeatureHint,
    PixelKL,
    Term,
    boundary_weights,
)
from segshrink.objectives import CrossEntropy

from .distillers import (
    BLOCKS,
    GENERATOR,
    IMAGES,
    LABELS,
    LOGITS,
    assert_same,
    every_loss,
    pair,
    trained,
    valleys,
)
from .losses import loops
from .losses.loops import Batch
from .networks import network


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
    with pytest.raises(ValueError, match=f"{size[0]}x{size[1]} are not means over sq"):
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
