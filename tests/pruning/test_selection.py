import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.pruning.selection import kept_first, rounded


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


def test_the_first_of_equals_stays_longest():
    scores = np.array([1.0, 3.0, 3.0, 2.0, 3.0])
    assert kept_first(scores).tolist() == [1, 2, 4, 3, 0]
