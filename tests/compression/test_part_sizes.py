"""What is in the parts: images, tiles and pixels."""

import dataclasses

import pytest

from segshrink.compression.part_sizes import part_lines, part_sizes, tiles_that_cover
from segshrink.data import Part


@pytest.fixture
def uneven(draw_dataset):
    """Three small training images, and a test image of 4 x 4 times their sides."""
    small, large = draw_dataset(64), draw_dataset(256)
    return dataclasses.replace(small, test=large.test)


def test_shares_are_those_of_images_and_pixels(uneven):
    sizes = {size.name: size for size in part_sizes(uneven, tile_px=64)}
    # 3 + 1 + 16 tiles of 64 x 64 pixels in 3 + 1 + 1 images.
    assert [sizes[name].tiles for name in ("train", "val", "test")] == [3, 1, 16]
    assert sizes["test"].image_share == pytest.approx(1 / 5)
    assert sizes["test"].pixel_share == pytest.approx(16 / 20)
    assert sizes["train"].pixel_share == pytest.approx(3 / 20)


def test_a_part_that_is_val_and_test_counts_once(draw_dataset):
    whole = draw_dataset(64)
    dataset = dataclasses.replace(whole, test=whole.val)
    sizes = part_sizes(dataset, tile_px=64)
    assert [size.name for size in sizes] == ["train", "val"]
    assert sum(size.pixel_share for size in sizes) == pytest.approx(1)


def test_parts_out_of_proportion_are_told(uneven, draw_dataset):
    assert part_lines(uneven, 64)[-1].startswith(
        "  Note: train has 60% of the images and 15% of the pixels; val has 20% of the "
        "images and 5% of the pixels; test has 20% of the images and 80% of the pixels."
    )
    assert not [line for line in part_lines(draw_dataset(), 64) if "Note:" in line]


def test_images_smaller_than_a_tile_are_told(uneven):
    assert part_lines(uneven, 128)[-1] == (
        "  Note: 4 of 5 images are smaller than a tile, the smallest 64 px on a side, "
        "and are padded. If most are, take smaller tiles (--set data.tile_px=64)."
    )
    assert "smaller than" not in "\n".join(part_lines(uneven, 64))


def test_each_image_gives_a_tile_at_least(draw_dataset):
    part = draw_dataset(64).train
    assert tiles_that_cover(part, 32) == 12
    assert tiles_that_cover(part, 256) == 3
    assert tiles_that_cover(Part("test", [], part.classes), 32) == 0
