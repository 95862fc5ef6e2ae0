import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.data.schedule import plan_epoch, tiles_per_image

areas = st.lists(st.integers(1, 10**7), min_size=1, max_size=30).map(np.array)


@given(areas=areas, tiles=st.integers(1, 500), seed=st.integers(0, 2**32))
def test_tiles_add_up_and_are_in_proportion(areas, tiles, seed):
    counts = tiles_per_image(areas, tiles, np.random.default_rng(seed))
    assert counts.sum() == tiles
    if tiles >= len(areas):
        assert counts.min() >= 1
    if (areas * tiles / areas.sum()).min() >= 1:
        assert np.abs(counts - areas * tiles / areas.sum()).max() < 1 + 1e-6


def test_few_tiles_reach_all_images_over_epochs():
    generator = np.random.default_rng(0)
    sizes = np.array([100, 200, 300, 400])
    counts = sum(tiles_per_image(sizes, 2, generator) for _ in range(2000))
    np.testing.assert_allclose(counts / 4000, [0.1, 0.2, 0.3, 0.4], atol=0.02)


@given(areas=areas, tiles=st.integers(1, 200), limit=st.integers(1, 2 * 10**7))
def test_images_follow_in_groups_that_fit(areas, tiles, limit):
    plan = plan_epoch(
        areas, tiles, pixels_at_once=limit, generator=np.random.default_rng(0)
    )
    assert len(plan) == tiles
    for image in np.unique(plan):
        first, last = np.flatnonzero(plan == image)[[0, -1]]
        between = np.unique(plan[first : last + 1])
        assert len(between) == 1 or areas[between].sum() <= limit


def test_what_fits_is_shuffled_as_a_whole():
    sizes = np.full(4, 100)
    plan = plan_epoch(
        sizes, 400, pixels_at_once=400, generator=np.random.default_rng(0)
    )
    halves = np.bincount(plan[:200], minlength=4)
    assert halves.min() > 30
    assert np.bincount(plan).tolist() == [100] * 4


@pytest.mark.parametrize("limit", [100, 400])
def test_epochs_are_ordered_differently(limit):
    sizes = np.full(4, 100)
    first, second = (
        plan_epoch(
            sizes, 40, pixels_at_once=limit, generator=np.random.default_rng(epoch)
        )
        for epoch in (0, 1)
    )
    assert (first != second).any()
