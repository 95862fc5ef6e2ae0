"""Pixels without a label: only the teacher counts there, where it is certain."""

import numpy as np
import pytest
from keras import ops

from segshrink.data import IGNORE_INDEX, UNLABELLED
from segshrink.distillation import DIST, PixelKL, Term
from segshrink.objectives import CrossEntropy

from .distillers import BLOCKS, IMAGES, LOGITS, trained, valley, valleys
from .losses import loops
from .losses.loops import Batch

HALF = BLOCKS.copy()
HALF[2:][HALF[2:] != IGNORE_INDEX] = UNLABELLED


def terms(matches):
    return [Term(PixelKL(2.0)), Term(DIST(), 0.5)]


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def outputs(teacher):
    copy = valley(1, 2)  # the student as it is before its first step
    images = ops.convert_to_tensor(IMAGES)
    return (
        ops.convert_to_numpy(teacher(images, training=False)),
        ops.convert_to_numpy(copy(images, training=True)),
    )


@pytest.mark.parametrize("threshold", [0.0, 0.4])
def test_labels_count_where_they_are_and_the_teacher_everywhere_else_too(threshold):
    distiller, _, teacher = valleys(terms, pseudo_threshold=threshold)
    taught, logits = outputs(teacher)
    uncertain = (HALF == UNLABELLED) & (softmax(taught).max(axis=-1) < threshold)
    assert uncertain.any() == (threshold > 0)
    valid = (HALF != IGNORE_INDEX) & ~uncertain
    known = np.where(HALF == UNLABELLED, IGNORE_INDEX, HALF)
    expected = {
        "supervised": float(CrossEntropy()(known, logits)),
        "pixel_kl": loops.pixel_kl(Batch(taught, logits, valid, None), 2.0),
        "dist": loops.dist(Batch(taught, logits, valid, None)),
    }
    (logs,) = trained(distiller, labels=HALF)
    for name, value in expected.items():
        assert logs[name] == pytest.approx(value, rel=1e-4), name


def test_a_threshold_leaves_labelled_pixels_alone():
    plain = trained(valleys(terms)[0], labels=BLOCKS)
    assert trained(valleys(terms, pseudo_threshold=0.99)[0], labels=BLOCKS) == plain


def test_certainty_is_that_of_stored_means_of_squares():
    """Logits of half the resolution tell four pixels at once."""
    stored = LOGITS[:, ::2, ::2] * 3
    distiller, *_ = valleys(lambda matches: [Term(PixelKL())], pseudo_threshold=0.9)
    labels = np.full_like(BLOCKS, UNLABELLED)
    certain = softmax(stored).max(axis=-1) >= 0.9
    assert 0 < certain.mean() < 1
    given = {"images": IMAGES, "teacher_logits": stored}
    (logs,) = trained(distiller, images=given, labels=labels)
    by_hand = labels.copy()
    by_hand[~certain.repeat(2, axis=1).repeat(2, axis=2)] = IGNORE_INDEX
    (expected,) = trained(
        valleys(lambda matches: [Term(PixelKL())])[0], images=given, labels=by_hand
    )
    assert logs == expected
    assert logs["supervised"] == 0 and logs["pixel_kl"] > 0


def test_where_labels_end_is_no_border_between_classes():
    def loss(labels):
        distiller, *_ = valleys(lambda matches: [Term(PixelKL())], boundary_weight=5.0)
        (logs,) = trained(distiller, labels=labels)
        return logs["pixel_kl"]

    # Without a second class, no pixel lies at a border, whether its label is known.
    half = np.zeros_like(BLOCKS)
    half[..., : half.shape[-1] // 2] = UNLABELLED
    assert loss(half) == pytest.approx(loss(np.full_like(BLOCKS, UNLABELLED)))
