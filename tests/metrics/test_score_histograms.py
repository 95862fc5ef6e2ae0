import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve

from segshrink.metrics import ScoreHistograms


def softmax(logits):
    logits = logits.astype(np.float32)
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def filled(labels, scores):
    histograms = ScoreHistograms(scores.shape[-1])
    histograms.update(labels, scores)
    return histograms


# Scores this far apart are never in one bin, so nothing but equal scores is tied.
STEP = 0.01


@st.composite
def few_pixels_of_distinct_or_equal_scores(draw):
    steps = draw(st.lists(st.integers(-200, 200), min_size=1, max_size=30))
    magnitude = draw(st.sampled_from([1, 10, 40]))  # 40: reaches 0 and 1 in float32
    labels = draw(st.lists(st.sampled_from([0, 1, 255]), min_size=len(steps)))
    logits = magnitude * STEP * np.array(steps)
    p = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return np.array(labels[: len(steps)], np.uint8), np.stack([1 - p, p], axis=-1)


@given(few_pixels_of_distinct_or_equal_scores())
def test_distinct_tied_and_saturated_scores_are_exact(case):
    labels, scores = case
    histograms = filled(labels, scores)
    valid = labels != 255
    for c in (0, 1):
        own = labels[valid] == c
        value = histograms.average_precision[c]
        if not own.any():
            assert np.isnan(value)
            assert histograms.precision_recall_curve(c)[0].size == 0
            continue
        expected = average_precision_score(own, scores[valid][:, c])
        assert value == pytest.approx(expected, abs=1e-12)
        precision, recall = histograms.precision_recall_curve(c)
        their_precision, their_recall, _ = precision_recall_curve(
            own, scores[valid][:, c]
        )
        np.testing.assert_allclose(precision, their_precision, atol=1e-12)
        np.testing.assert_allclose(recall, their_recall, atol=1e-12)


@given(
    seed=st.integers(0, 2**32 - 1),
    separation=st.floats(0, 4),
    scale=st.floats(0.5, 60),
)
@example(seed=0, separation=2.0, scale=60.0)
def test_many_pixels_agree_within_a_thousandth(seed, separation, scale):
    generator = np.random.default_rng(seed)
    labels = generator.choice(4, 12_000, p=[0.5, 0.25, 0.15, 0.1]).astype(np.uint8)
    logits = generator.normal(size=(labels.size, 4))
    logits[np.arange(labels.size), labels] += separation
    scores = softmax(scale * logits)
    measured = filled(labels, scores).average_precision
    expected = [average_precision_score(labels == c, scores[:, c]) for c in range(4)]
    np.testing.assert_allclose(measured, expected, atol=1e-3)


def test_by_hand():
    # Ranked by class 1: right, wrong, right. Precision 1 at recall 1/2, 2/3 at 1.
    scores = np.array([[0.1, 0.9], [0.4, 0.6], [0.8, 0.2], [0.5, 0.5]], np.float32)
    histograms = filled(np.array([1, 0, 1, 255]), scores)
    assert histograms.average_precision[1] == pytest.approx((1 + 2 / 3) / 2)
    precision, recall = histograms.precision_recall_curve(1)
    np.testing.assert_allclose(precision, [2 / 3, 1 / 2, 1, 1])
    np.testing.assert_allclose(recall, [1, 1 / 2, 1 / 2, 0])


def test_a_perfect_ranking_is_not_above_one():
    """Records refuse a share above 1, as sums of rounded steps of recall may be."""
    for pixels in range(2, 80):
        own = 1 - np.arange(pixels) / (3 * pixels)
        scores = ScoreHistograms(2)
        probabilities = np.stack([own, 1 - own], axis=-1)[None].astype(np.float32)
        labels = np.zeros((1, pixels), np.uint8)
        scores.update(labels, probabilities)
        assert scores.average_precision[0] == pytest.approx(1.0)
        assert scores.average_precision[0] <= 1.0


def test_curves_have_even_recall_and_leave_absent_classes_out():
    scores = np.array([[0.1, 0.9, 0], [0.4, 0.6, 0], [0.8, 0.2, 0]], np.float32)
    curves = filled(np.array([1, 0, 1]), scores).as_curves(["Road", "Tree", "Car"], 5)
    assert list(curves) == ["Road", "Tree"]
    assert curves["Tree"]["recall"] == [0, 0.25, 0.5, 0.75, 1]
    assert curves["Tree"]["precision"] == pytest.approx([1, 1, 1, 2 / 3, 2 / 3])


def test_a_curve_has_101_points_by_default():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 5000)
    curve = filled(labels, generator.dirichlet([1, 1], 5000)).as_curves("ab")["a"]
    assert len(curve["recall"]) == len(curve["precision"]) == 101
    assert all(0 <= value <= 1 for value in curve["precision"])


def test_more_pixels_take_no_more_memory():
    histograms = ScoreHistograms(2, bins=100)
    scores = np.random.default_rng(0).dirichlet([1, 1], 10_000)
    histograms.update(np.zeros(10_000, int), scores)
    arrays = [x for x in vars(histograms).values() if isinstance(x, np.ndarray)]
    assert sum(array.nbytes for array in arrays) == 16 * 2 * 100


@pytest.mark.parametrize("wrong", [-0.5, 1.5, np.nan, np.inf])
def test_scores_must_be_probabilities(wrong):
    scores = np.array([[0.5, wrong]], np.float32)
    with pytest.raises(ValueError, match="probabilities must be within 0 to 1"):
        ScoreHistograms(2).update(np.array([0]), scores)


def test_a_softmax_that_rounds_above_one_is_taken():
    scores = np.array([[1.0000001, 0.0], [0.0, 1.0]], np.float32)
    assert filled(np.array([0, 1]), scores).average_precision.tolist() == [1, 1]


def test_settings_have_bounds():
    with pytest.raises(ValueError, match="bins at least 2, got 2 and 1"):
        ScoreHistograms(2, bins=1)
    with pytest.raises(ValueError, match="points be at least 2, got 2 names and 1"):
        ScoreHistograms(2).as_curves("ab", points=1)
