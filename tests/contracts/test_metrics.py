"""Checks that every metric over a stream of images must pass."""

import numpy as np
import pytest

from segshrink.metrics import ConfusionMatrix, ScoreHistograms

CLASSES = 3


def state_of(metric):
    """Everything a metric says, as plain data."""
    if isinstance(metric, ConfusionMatrix):
        return metric.as_record("abc")
    curves = metric.as_curves("abc")
    return [curves, metric.average_precision.tolist()]


def feed(metric, labels, scores):
    given = scores.argmax(-1) if isinstance(metric, ConfusionMatrix) else scores
    metric.update(labels, given)


def batch(seed=0, shape=(4, 6, 5)):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, CLASSES, shape).astype(np.uint8)
    labels[generator.random(shape) < 0.3] = 255
    scores = generator.dirichlet(np.ones(CLASSES), shape).astype(np.float32)
    return labels, scores


each_metric = pytest.mark.parametrize("make", [ConfusionMatrix, ScoreHistograms])


@each_metric
def test_image_by_image_is_the_same_as_all_at_once(make):
    labels, scores = batch()
    together, streamed = make(CLASSES), make(CLASSES)
    feed(together, labels, scores)
    for image_labels, image_scores in zip(labels, scores, strict=True):
        feed(streamed, image_labels, image_scores)
    assert state_of(streamed) == state_of(together)


@each_metric
def test_what_is_predicted_under_void_does_not_matter(make):
    labels, scores = batch()
    changed = scores.copy()
    changed[labels == 255] = np.eye(CLASSES)[0]
    plain, other = make(CLASSES), make(CLASSES)
    feed(plain, labels, scores)
    feed(other, labels, changed)
    assert state_of(other) == state_of(plain)


@each_metric
def test_labels_of_any_integer_dtype_count_alike(make):
    labels, scores = batch()
    plain, other = make(CLASSES), make(CLASSES)
    feed(plain, labels, scores)
    feed(other, labels.astype(np.int64), scores)
    assert state_of(other) == state_of(plain)


@each_metric
def test_no_pixels_are_no_fault(make):
    metric = make(CLASSES)
    feed(metric, np.empty((0, 4), np.uint8), np.empty((0, 4, CLASSES), np.float32))
    feed(metric, np.full((2, 2), 255), np.full((2, 2, CLASSES), 1 / 3))
    if make is ConfusionMatrix:
        assert np.isnan(metric.pixel_accuracy) and np.isnan(metric.iou).all()
        assert np.isnan(metric.mean_iou())
        assert metric.as_record("abc")["mean_iou"] is None
    else:
        assert np.isnan(metric.average_precision).all()
        assert metric.as_curves("abc") == {}


@each_metric
def test_a_label_that_is_no_class_is_refused_and_nothing_counted(make):
    labels, scores = batch()
    metric = make(CLASSES)
    before = repr(state_of(metric))
    for wrong in (3, 254, -1):
        faulty = labels.astype(np.int64)
        faulty[0, 0, 0] = wrong
        with pytest.raises(ValueError, match=r"labels must be .*0 to 2 or 255"):
            feed(metric, faulty, scores)
    assert repr(state_of(metric)) == before


@each_metric
def test_labels_must_be_integers(make):
    labels, scores = batch()
    with pytest.raises(ValueError, match="integers"):
        feed(make(CLASSES), labels.astype(np.float32), scores)


@each_metric
def test_shapes_must_match(make):
    labels, scores = batch()
    with pytest.raises(ValueError, match=r"shape.*\(4, 6, 4"):
        feed(make(CLASSES), labels, scores[:, :, :4])


@each_metric
@pytest.mark.parametrize("num_classes", [0, 256])
def test_the_number_of_classes_has_bounds(make, num_classes):
    with pytest.raises(
        ValueError, match=f"num_classes must be 1 to 255.*{num_classes}"
    ):
        make(num_classes)


@each_metric
def test_names_must_be_one_a_class(make):
    metric = make(CLASSES)
    with pytest.raises(ValueError, match="names must hold 3 class names"):
        metric.as_record("ab") if make is ConfusionMatrix else metric.as_curves("ab")
