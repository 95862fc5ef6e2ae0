"""Tiles of a batch mixed with each other: numbers, pixels, labels and maps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.data import IGNORE_INDEX, UNLABELLED
from segshrink.data.mixing import TileMix, draw_mixes, mixed_tiles, replaced_cells

BATCH, SIDE = 4, 16


@pytest.fixture
def batch():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (BATCH, SIDE, SIDE, 3), dtype=np.uint8)
    labels = generator.integers(0, 5, (BATCH, SIDE, SIDE), dtype=np.uint8)
    labels[:, :3] = IGNORE_INDEX
    return images, labels


def by_pixel(images, labels, mixes):
    """Pixel by pixel, as the documentation says it."""
    new_images, new_labels = images.copy(), labels.copy()
    for tile, mix in enumerate(mixes):
        for row in range(mix.top, mix.top + mix.height):
            for column in range(mix.left, mix.left + mix.width):
                own, other = images[[tile, mix.partner], row, column].astype(float)
                mixture = (1 - mix.share) * own + mix.share * other
                new_images[tile, row, column] = np.rint(mixture)
                pair = labels[[tile, mix.partner], row, column]
                if mix.share == 1:
                    new_labels[tile, row, column] = pair[1]
                else:
                    void = IGNORE_INDEX in pair
                    new_labels[tile, row, column] = IGNORE_INDEX if void else UNLABELLED
    return new_images, new_labels


@given(
    mixing=st.sampled_from(["cutmix", "mixup"]),
    seed=st.integers(0, 2**32),
    batch_size=st.integers(1, 9),
    step=st.sampled_from([1, 4, 8]),
)
def test_draws_lie_within_the_tile_and_the_batch(mixing, seed, batch_size, step):
    generator = np.random.default_rng(seed)
    mixes = draw_mixes(mixing, batch_size, SIDE, generator, step=step)
    assert len(mixes) == batch_size
    for place, mix in enumerate(mixes):
        assert 0 <= mix.top <= mix.top + mix.height <= SIDE
        assert 0 <= mix.left <= mix.left + mix.width <= SIDE
        if mix.height:
            assert 0 <= mix.partner < batch_size and mix.partner != place
        if mixing == "cutmix":
            assert mix.share == 1
            assert not any(x % step for x in mix[1:5])
        else:
            assert mix.height in (0, SIDE) and (mix.share < 0.5 or not mix.height)


@pytest.mark.parametrize("mixing", ["cutmix", "mixup"])
def test_about_half_of_the_tiles_are_mixed_with_every_amount(mixing):
    mixes = draw_mixes(mixing, 4000, 64, np.random.default_rng(0))
    mixed = [mix for mix in mixes if mix.height]
    assert 0.47 < len(mixed) / len(mixes) < 0.53
    amounts = [
        mix.height * mix.width / 64**2 if mixing == "cutmix" else 2 * mix.share
        for mix in mixed
    ]
    quarters, _ = np.histogram(amounts, 4, (0, 1))
    assert quarters.min() > 0.8 * len(mixed) / 4


@pytest.mark.parametrize(
    "mix",
    [
        TileMix(),
        TileMix(2, 3, 4, 5, 6),
        TileMix(1, 0, 0, SIDE, SIDE),
        TileMix(3, 0, 0, SIDE, SIDE, 0.3),
        TileMix(3, 1, 2, 7, 4, 0.25),
    ],
)
def test_pixels_and_labels_are_mixed_as_described(batch, mix):
    # The last tile is mixed with one that is mixed too, and sees it as it was.
    mixes = [mix, TileMix(0, 2, 2, 9, 9), TileMix(), TileMix(0, 0, 0, 4, SIDE)]
    images, labels = mixed_tiles(*batch, mixes)
    expected_images, expected_labels = by_pixel(*batch, mixes)
    np.testing.assert_array_equal(labels, expected_labels)
    assert np.abs(images.astype(int) - expected_images).max() <= (mix.share < 1)


def test_cells_of_maps_are_replaced_like_the_pixels_they_belong_to(batch):
    images, _ = batch
    cells = images[:, ::4, ::4].astype(np.float16)
    mixes = draw_mixes("cutmix", BATCH, SIDE, np.random.default_rng(3), step=4)
    assert any(mix.height for mix in mixes)
    mixed, _ = mixed_tiles(*batch, mixes)
    np.testing.assert_array_equal(replaced_cells(cells, mixes, 4), mixed[:, ::4, ::4])
