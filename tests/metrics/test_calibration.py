"""Calibration error and temperature, against scikit-learn, SciPy and a plain loop."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from segshrink.metrics import (
    Reliability,
    fitted_temperature,
    negative_log_likelihood,
)


@pytest.fixture(scope="module")
def logits_and_labels():
    """Overconfident by a factor of 2.5, with void and unlabelled pixels."""
    random = np.random.default_rng(0)
    calm = random.normal(0, 1.5, (3, 20, 30, 4))
    shares = softmax(calm, axis=-1)
    labels = (random.random((3, 20, 30, 1)) > shares.cumsum(-1)).sum(-1)
    labels = np.minimum(labels, 3).astype(np.uint8)
    labels[0, :4] = 255
    labels[1, :2] = 254
    return (2.5 * calm).astype(np.float32), labels


def test_expected_error_is_that_of_scikit_learns_curve(logits_and_labels):
    logits, labels = logits_and_labels
    probabilities = softmax(logits, axis=-1)
    reliability = Reliability(bins=15)
    for each, of_each in zip(labels, probabilities, strict=True):
        reliability.update(each, of_each)
    valid = labels < 254
    confidence = probabilities[valid].max(-1)
    is_right = probabilities[valid].argmax(-1) == labels[valid]
    accuracy, mean = calibration_curve(is_right, confidence, n_bins=15)
    edges = np.linspace(0, 1, 16)
    counts = np.array(
        [
            ((confidence > low) & (confidence <= high)).sum()
            for low, high in zip(edges[:-1], edges[1:], strict=True)
        ]
    )
    np.testing.assert_array_equal(reliability.pixels, counts)
    counts = counts[counts > 0]
    expected = (counts / counts.sum() * np.abs(accuracy - mean)).sum()
    assert reliability.expected_error == pytest.approx(expected, abs=1e-6)
    assert reliability.expected_error > 0.1


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    reliability = Reliability(bins=2)
    reliability.update(np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.5]]))
    assert reliability.pixels.tolist() == [2, 0]
    assert reliability.right.tolist() == [1, 0]
    assert reliability.expected_error == 0


def test_without_valid_pixels_there_is_no_error():
    reliability = Reliability()
    reliability.update(np.array([255, 254]), np.ones((2, 3)) / 3)
    assert np.isnan(reliability.expected_error)
    with pytest.raises(ValueError, match="needs pixels with labels"):
        fitted_temperature(np.ones((2, 3)), np.array([255, 254]))


def test_likelihood_is_scikit_learns_log_loss(logits_and_labels):
    logits, labels = logits_and_labels
    valid = labels < 254
    expected = log_loss(labels[valid], softmax(logits[valid] / 1.7, axis=-1))
    found = negative_log_likelihood(logits, labels, 1.7)
    assert found == pytest.approx(expected, rel=1e-5)


def test_temperature_is_the_one_that_scipy_finds(logits_and_labels):
    logits, labels = logits_and_labels
    best = minimize_scalar(
        lambda x: negative_log_likelihood(logits, labels, x),
        bounds=(0.1, 20),
        method="bounded",
        options={"xatol": 1e-6},
    )
    found = fitted_temperature(logits, labels)
    assert found == pytest.approx(best.x, rel=1e-3)
    assert found == pytest.approx(2.5, rel=0.1)
    # What it is for.
    errors = []
    for temperature in (1, found):
        reliability = Reliability()
        reliability.update(labels, softmax(logits / temperature, axis=-1))
        errors.append(reliability.expected_error)
    assert errors[1] < errors[0] / 3
