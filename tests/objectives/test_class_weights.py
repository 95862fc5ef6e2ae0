import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.objectives import balanced_class_weights


def test_by_hand():
    # Roots of the shares: 0.8, 0.6 and 0; their sum is 1.4.
    np.testing.assert_allclose(
        balanced_class_weights([0.64, 0.36, 0.0]), [1 / 1.12, 1 / 0.84, 0]
    )


@given(st.lists(st.just(0.0) | st.floats(1e-6, 1e9), min_size=1).filter(any))
def test_an_average_pixel_weighs_one_whatever_the_scale(frequencies):
    weights = balanced_class_weights(frequencies)
    shares = np.array(frequencies) / sum(frequencies)
    assert np.sum(shares * weights) == pytest.approx(1)
    np.testing.assert_array_equal(weights == 0, shares == 0)
    np.testing.assert_allclose(
        balanced_class_weights([3 * value for value in frequencies]), weights
    )


def test_a_class_four_times_rarer_weighs_twice():
    common, rare = balanced_class_weights([400, 100])
    assert rare == pytest.approx(2 * common)


@pytest.mark.parametrize("wrong", [[0, 0], [1, -1], [1, np.nan], [1, np.inf], []])
def test_frequencies_must_be_shares(wrong):
    with pytest.raises(ValueError, match="frequencies must be finite, at least 0"):
        balanced_class_weights(wrong)
