import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.pruning.selection import by_rank, highest, rounded


@pytest.mark.parametrize(
    ("target", "size", "multiple_of", "count"),
    [
        (6.4, 16, 8, 8),
        (11.9, 16, 8, 8),
        (12.0, 16, 8, 16),
        (0.1, 64, 8, 8),
        (0.0, 64, 1, 1),
        (19.0, 20, 8, 20),
        (17.0, 20, 8, 16),
        (20.0, 20, 8, 20),
        (3.0, 6, 8, 6),
        (2.4, 5, 1, 2),
    ],
)
def test_rounded(target, size, multiple_of, count):
    assert rounded(target, size, multiple_of) == count


@given(size=st.integers(1, 100), share=st.floats(0, 1), multiple_of=st.integers(1, 20))
def test_rounded_is_the_nearest_allowed_count(size, share, multiple_of):
    target = share * size
    allowed = {*range(multiple_of, size, multiple_of), size}
    count = rounded(target, size, multiple_of)
    assert count in allowed
    assert abs(count - target) == min(abs(other - target) for other in allowed)


def test_highest_prefers_the_first_of_equals_and_sorts():
    scores = np.array([1.0, 3.0, 3.0, 2.0, 3.0])
    assert highest(scores, 2).tolist() == [1, 2]
    assert highest(scores, 4).tolist() == [1, 2, 3, 4]


def test_rank_is_relative_to_the_mean_of_the_group():
    large, small = np.array([100.0, 300.0]), np.array([1.0, 2.0, 3.0, 2.0])
    # 0.5, 1.5 and 0.5, 1, 1.5, 1: the upper four are one and three.
    assert by_rank([large, small], 4 / 6) == [1.0, 3.0]


def test_a_group_of_zeros_ranks_last():
    assert by_rank([np.zeros(3), np.array([1.0, 2.0])], 0.4) == [0.0, 2.0]
