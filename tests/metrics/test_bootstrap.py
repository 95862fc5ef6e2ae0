"""Intervals against SciPy's bootstrap and against every possible draw."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import bootstrap

from segshrink.metrics import ConfusionMatrix, mean_iou_interval

CLASSES = 3


def images(count, seed, right=0.7):
    """Labels and predictions of images that differ in how hard they are."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        labels = random.integers(0, CLASSES, 400)
        share = np.clip(right + random.normal(0, 0.15), 0, 1)
        wrong = random.random(400) > share
        made.append((labels, np.where(wrong, random.integers(0, CLASSES, 400), labels)))
    return made


def counts_of(made):
    counts = []
    for labels, predictions in made:
        confusion = ConfusionMatrix(CLASSES)
        confusion.update(labels, predictions)
        right = confusion.counts.diagonal()
        counts.append(
            np.stack([confusion.true_pixels, confusion.predicted_pixels, right], -1)
        )
    return np.array(counts)


def mean_iou(made):
    confusion = ConfusionMatrix(CLASSES)
    for labels, predictions in made:
        confusion.update(labels, predictions)
    return confusion.mean_iou()


def test_it_is_scipys_percentile_interval():
    made = images(20, seed=1)
    found = mean_iou_interval(counts_of(made), draws=10_000)
    expected = bootstrap(
        (np.arange(20),),
        lambda chosen: mean_iou([made[i] for i in chosen]),
        n_resamples=4000,
        method="percentile",
        vectorized=False,
        rng=np.random.default_rng(5),
    ).confidence_interval
    assert found == pytest.approx(tuple(expected), abs=0.004)
    assert found[0] < mean_iou(made) < found[1]


def test_it_is_that_of_all_draws_there_are():
    made, other = images(5, seed=2), images(5, seed=3, right=0.5)
    of_one, of_difference = [], []
    for chosen in product(range(5), repeat=5):
        own = mean_iou([made[i] for i in chosen])
        of_one.append(own)
        of_difference.append(own - mean_iou([other[i] for i in chosen]))
    counts = counts_of(made)
    found = mean_iou_interval(counts, draws=40_000)
    assert found == pytest.approx(np.quantile(of_one, [0.025, 0.975]), abs=0.004)
    found = mean_iou_interval(counts, counts_of(other), draws=40_000)
    assert found == pytest.approx(np.quantile(of_difference, [0.025, 0.975]), abs=0.004)


def test_what_makes_an_image_hard_for_both_cancels_out():
    made = images(20, seed=4)
    slightly_worse = [
        (labels, np.where(np.arange(400) < 8, (labels + 1) % CLASSES, predicted))
        for labels, predicted in made
    ]
    own, other = counts_of(made), counts_of(slightly_worse)
    low, high = mean_iou_interval(own, other)
    assert 0 < low < high < 0.05
    widths = [np.ptp(mean_iou_interval(each)) for each in (own, other)]
    assert high - low < min(widths) / 4
    assert mean_iou_interval(own, own) == (0, 0)


def test_a_class_counts_where_it_occurs():
    # The second class is in the first image alone.
    counts = [[[4, 4, 4], [4, 4, 0]], [[4, 4, 4], [0, 0, 0]]]
    low, high = mean_iou_interval(counts)
    # Both images or the first twice give 0.5, the second twice 1.
    assert (low, high) == (0.5, 1.0)


def test_nothing_but_void_has_no_interval():
    assert np.isnan(mean_iou_interval(np.zeros((3, 2, 3)))).all()


@pytest.mark.parametrize("counts", [[[1, 2, 3]], np.zeros((0, 2, 3)), [[[1, 2]]]])
def test_another_shape_is_refused(counts):
    with pytest.raises(ValueError, match=r"must be \(units, classes, 3\)"):
        mean_iou_interval(counts)


def test_models_of_other_images_are_not_compared():
    with pytest.raises(ValueError, match="same units and classes"):
        mean_iou_interval(np.ones((3, 2, 3)), np.ones((4, 2, 3)))
