import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.pruning.channels import ChannelSpace

PAIRS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=15)


@given(pairs=PAIRS)
def test_channels_are_the_same_exactly_if_a_path_of_unions_joins_them(pairs):
    space = ChannelSpace()
    ids = space.new(12)
    for first, second in pairs:
        space.unite(ids[[first]], ids[[second]])
    reachable = np.eye(12, dtype=bool)
    for first, second in pairs:
        reachable[first, second] = reachable[second, first] = True
    for _ in range(4):  # paths of up to 16 unions
        reachable = (reachable.astype(int) @ reachable.astype(int)) > 0
    roots = space.roots(ids)
    np.testing.assert_array_equal(roots[:, None] == roots[None, :], reachable)


@given(pairs=PAIRS, frozen=st.integers(0, 11), early=st.booleans())
def test_freezing_holds_for_all_united_channels_whenever_it_happens(
    pairs, frozen, early
):
    space = ChannelSpace()
    ids = space.new(12)
    if early:
        space.freeze(ids[[frozen]], "why")
    for first, second in pairs:
        space.unite(ids[[first]], ids[[second]])
    if not early:
        space.freeze(ids[[frozen]], "why")
    roots = space.roots(ids)
    np.testing.assert_array_equal(space.frozen(ids), roots == roots[frozen])
    assert set(space.reasons(ids[[frozen]])) == {"why"}


def test_the_first_reason_is_reported():
    space = ChannelSpace()
    ids = space.new(3)
    space.freeze(ids[:1], "first")
    space.freeze(ids[:2], "second")
    assert space.reasons(ids) == ["first", "second", None]


def test_vectors_of_different_length_are_not_united():
    space = ChannelSpace()
    with pytest.raises(ValueError, match="same length.*got 3 and 2"):
        space.unite(space.new(3), space.new(2))
