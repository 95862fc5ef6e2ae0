"""What is particular to single losses; tests/contracts/test_losses.py has the rest."""

import math

import numpy as np
import pytest

from segshrink.objectives import CrossEntropy, Dice, Focal, WeightedSum

LABELS = np.array([[[0, 1, 255]]])
EVEN = np.zeros((1, 1, 3, 2), np.float32)


def test_cross_entropy_of_even_logits_is_the_log_of_the_classes():
    assert float(CrossEntropy()(LABELS, EVEN)) == pytest.approx(math.log(2))


def test_cross_entropy_divides_by_the_weights_of_the_pixels():
    logits = np.log(np.array([[[[0.8, 0.2], [0.5, 0.5], [0.9, 0.1]]]]))
    expected = (3 * -math.log(0.8) + 1 * -math.log(0.5)) / 4
    loss = CrossEntropy(class_weights=[3.0, 1.0])
    assert float(loss(LABELS, logits)) == pytest.approx(expected)


def test_focal_of_even_logits_fades_by_a_power_of_the_miss():
    assert float(Focal(gamma=3)(LABELS, EVEN)) == pytest.approx(math.log(2) / 8)


def test_focal_without_gamma_is_cross_entropy():
    logits = np.random.default_rng(0).normal(size=EVEN.shape)
    assert float(Focal(gamma=0)(LABELS, logits)) == pytest.approx(
        float(CrossEntropy()(LABELS, logits))
    )


def test_dice_by_hand():
    # Each class: overlap 1/2, predicted 1, true 1, so 2 * 1/2 / 2 without smoothing.
    assert float(Dice(smooth=0)(LABELS, EVEN)) == pytest.approx(1 / 2)
    assert float(Dice(smooth=1)(LABELS, EVEN)) == pytest.approx(1 - 2 / 3)


def test_dice_leaves_absent_classes_out():
    labels, logits = np.zeros((1, 1, 2)), np.zeros((1, 1, 2, 2))
    # Class 0: overlap 1, predicted 1, true 2. Class 1 is absent.
    assert float(Dice(smooth=0)(labels, logits)) == pytest.approx(1 - 2 / 3)


def test_the_sum_reports_its_components_before_their_weights():
    loss = WeightedSum([CrossEntropy(), Dice()], [2.0, 3.0])
    parts = {name: float(x) for name, x in loss.components(LABELS, EVEN).items()}
    assert parts == {
        "cross_entropy": pytest.approx(math.log(2)),
        "dice": pytest.approx(1 / 3),
    }
    assert float(loss(LABELS, EVEN)) == pytest.approx(2 * math.log(2) + 1)


def test_a_batch_of_half_a_million_pixels_loses_no_digits():
    generator = np.random.default_rng(0)
    shape, weights = (8, 256, 256), np.array([0.3, 1.7, 1.0, 3.0])
    labels = generator.choice([0, 1, 2, 3, 255], shape).astype(np.uint8)
    logits = 3 * generator.normal(size=(*shape, 4)).astype(np.float32)
    valid = labels != 255
    odds = np.exp(logits[valid].astype(np.float64))
    true = np.eye(4)[labels[valid]]  # (pixels, classes)
    p = odds / odds.sum(axis=1, keepdims=True)
    entropies = -np.log((p * true).sum(axis=1))
    entropy = np.average(entropies, weights=weights[labels[valid]])
    dice = 2 * (p * true).sum(axis=0) + 1
    dice /= p.sum(axis=0) + true.sum(axis=0) + 1
    loss = WeightedSum([CrossEntropy(weights), Dice(class_weights=weights)], [1, 2])
    expected = entropy + 2 * np.average(1 - dice, weights=weights)
    assert float(loss(labels, logits)) == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Focal(gamma=-1), "gamma must be at least 0, got -1"),
        (lambda: Dice(smooth=-1), "smooth must be at least 0, got -1"),
        (lambda: CrossEntropy([1, -1]), "class_weights must be finite.*-1"),
        (lambda: CrossEntropy([0, 0]), "not all 0"),
        (lambda: CrossEntropy([1, math.nan]), "class_weights must be finite"),
        (lambda: WeightedSum([], []), "at least one loss"),
        (lambda: WeightedSum([Dice()], [1, 2]), "1 losses and 2 weights"),
        (lambda: WeightedSum([Dice(), Dice()], [1, 1]), "names .* must differ"),
        (lambda: WeightedSum([Dice()], [0]), "weights must be above 0"),
    ],
)
def test_arguments_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_class_weights_must_match_the_logits():
    with pytest.raises(ValueError, match="got 3 factors for 2 classes"):
        CrossEntropy([1, 1, 1])(LABELS, EVEN)
