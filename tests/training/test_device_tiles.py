"""Tiles made on the device are those that the host makes of the same numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops
from PIL import Image

from segshrink.data.augmentation import (
    Recoloring,
    TileDraw,
    crop_sides,
    cut_tile,
    draw_tile,
)
from segshrink.data.mixing import TileMix, draw_mixes, mixed_tiles
from segshrink.recipe import Augmentation
from segshrink.training.device_tiles import (
    DeviceImages,
    draw_batch,
    words_per_pixel,
)

TILE_PX = 32
SIDES = (24, 43)
SIZES = [(60, 90), (32, 32), (20, 45), (1, 70), (2, 3)]


@pytest.fixture(scope="module")
def pairs():
    generator = np.random.default_rng(0)
    return [
        (
            generator.integers(0, 256, (*size, 3), dtype=np.uint8),
            generator.integers(0, 6, size, dtype=np.uint8),
        )
        for size in SIZES
    ]


@pytest.fixture(scope="module")
def on_device(pairs):
    return DeviceImages(pairs, tile_px=TILE_PX, sides=SIDES)


def made(on_device, draws, mixes=()):
    images, labels = on_device(draw_batch(draws, mixes))
    return ops.convert_to_numpy(images), ops.convert_to_numpy(labels)


def on_host(pairs, draws):
    tiles = [cut_tile(*pairs[image], draw, TILE_PX) for image, draw in draws]
    images, labels = zip(*tiles, strict=True)
    return np.stack(images).astype(float), np.stack(labels)


@given(
    seed=st.integers(0, 2**32),
    flips=st.booleans(),
    turns=st.booleans(),
    zoom=st.sampled_from([(1, 1), (0.75, 1.333), (0.75, 0.75), (1.333, 1.333)]),
    photometric=st.sampled_from([0, 0.3]),
)
def test_tiles_are_those_of_the_host(
    pairs, on_device, seed, flips, turns, zoom, photometric
):
    generator = np.random.default_rng(seed)
    augmentation = Augmentation(
        flips=flips, quarter_turns=turns, scale_jitter=zoom, photometric=photometric
    )
    draws = [
        (
            image,
            draw_tile(
                SIZES[image],
                TILE_PX,
                augmentation,
                generator,
                color_generator=generator,
            ),
        )
        for image in generator.integers(len(SIZES), size=8).tolist()
    ]
    images, labels = made(on_device, draws)
    expected_images, expected_labels = on_host(pairs, draws)
    np.testing.assert_array_equal(labels, expected_labels)
    difference = np.abs(images - expected_images)
    # Zooming out halves of levels occur, which Pillow rounds by chance, twice over.
    assert difference.max() <= 3
    assert (difference > 1).mean() < 0.002
    assert (difference > 0).mean() < 0.03
    np.testing.assert_array_equal(images, np.rint(images))


@pytest.mark.parametrize("zoom", [(1, 1), (1.1, 1.333)])
def test_without_zooming_out_every_level_is_equal(pairs, on_device, zoom):
    generator = np.random.default_rng(1)
    augmentation = Augmentation(scale_jitter=zoom, photometric=0)
    draws = [
        (
            image,
            draw_tile(
                SIZES[image], TILE_PX, augmentation, generator, color_generator=None
            ),
        )
        for image in [0, 1, 2, 3, 4] * 4
    ]
    for ours, theirs in zip(made(on_device, draws), on_host(pairs, draws), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_each_of_the_eight_poses_and_a_crop_of_a_smaller_image(pairs, on_device):
    draws = [
        (
            2,
            TileDraw(
                top=n - 12,
                left=n,
                side=TILE_PX,
                recoloring=Recoloring(1.5, -30.0, (0.9, 1.0, 1.1)),
                swapped=bool(n & 1),
                rows_reversed=bool(n & 2),
                columns_reversed=bool(n & 4),
            ),
        )
        for n in range(8)
    ]
    images, labels = made(on_device, draws)
    expected_images, expected_labels = on_host(pairs, draws)
    np.testing.assert_array_equal(labels, expected_labels)
    assert np.abs(images - expected_images).max() <= 1


@pytest.mark.parametrize("mixing", ["cutmix", "mixup"])
def test_tiles_are_mixed_as_on_the_host(pairs, on_device, mixing):
    generator = np.random.default_rng(4)
    draws = [(0, TileDraw(top=2 * n - 4, left=3 * n, side=TILE_PX)) for n in range(16)]
    mixes = draw_mixes(mixing, len(draws), TILE_PX, generator)
    images, labels = made(on_device, draws, mixes)
    tiles, its_labels = on_host(pairs, draws)
    expected_images, expected_labels = mixed_tiles(
        tiles.astype(np.uint8), its_labels, mixes
    )
    np.testing.assert_array_equal(labels, expected_labels)
    assert np.abs(images - expected_images).max() <= (mixing == "mixup")
    assert (images != tiles).any()


def test_a_batch_travels_as_a_few_numbers_per_tile():
    batch = draw_batch([(0, TileDraw(1, 2, 3))] * 16)
    assert {name: (x.shape, x.dtype) for name, x in batch.items()} == {
        "crop": ((16, 4), np.int32),
        "pose": ((16, 3), np.int32),
        "color": ((16, 5), np.float32),
    }
    mixed = draw_batch([(0, TileDraw(1, 2, 3))] * 16, [TileMix(1, 2, 3, 4, 5)] * 16)
    assert sum(x.nbytes for x in mixed.values()) == 16 * 4 * (4 + 3 + 5 + 5 + 1)


@pytest.mark.parametrize("num_bands", [1, 2, 4, 7, 8, 12])
def test_any_number_of_bands_is_as_on_the_host(num_bands):
    generator = np.random.default_rng(num_bands)
    sizes = [(60, 90), (20, 45)]
    pairs = [
        (
            generator.integers(0, 256, (*size, num_bands), dtype=np.uint8),
            generator.integers(0, 256, size, dtype=np.uint8),
        )
        for size in sizes
    ]
    there = DeviceImages(pairs, tile_px=TILE_PX, sides=SIDES)
    augmentation = Augmentation(scale_jitter=(1.1, 1.333), photometric=0.3)
    draws = [
        (
            image,
            draw_tile(
                sizes[image],
                TILE_PX,
                augmentation,
                generator,
                color_generator=generator if image else None,
                num_bands=num_bands,
            ),
        )
        for image in [0, 1] * 4
    ]
    images, labels = there(draw_batch(draws, num_bands=num_bands))
    expected_images, expected_labels = on_host(pairs, draws)
    np.testing.assert_array_equal(ops.convert_to_numpy(labels), expected_labels)
    assert images.shape == (8, TILE_PX, TILE_PX, num_bands)
    difference = np.abs(ops.convert_to_numpy(images) - expected_images)
    assert difference[::2].max() == 0
    assert difference.max() <= 1
    per_pixel = sum(x.shape[0] for x in there.variables[:-2]) / (60 * 90 + 20 * 45)
    assert per_pixel == words_per_pixel(num_bands) == 1 + num_bands // 4


def test_images_are_kept_at_four_bytes_per_pixel(pairs, on_device):
    pixels, *_ = on_device.variables
    assert pixels.shape == (sum(height * width for height, width in SIZES),)
    assert pixels.dtype == "int32"
    assert not on_device.trainable_variables


def test_labels_above_127_are_kept():
    image, labels = np.zeros((32, 32, 3), np.uint8), np.full((32, 32), 200, np.uint8)
    one = DeviceImages([(image, labels)], tile_px=TILE_PX, sides=(TILE_PX, TILE_PX))
    _, found = made(one, [(0, TileDraw(0, 0, TILE_PX))])
    np.testing.assert_array_equal(found, np.full((1, 32, 32), 200))


@pytest.mark.parametrize("side", range(*SIDES))
def test_labels_are_taken_where_pillow_takes_them(side):
    labels = np.arange(side, dtype=np.uint8)[None].repeat(side, axis=0)
    image = np.zeros((side, side, 3), np.uint8)
    one = DeviceImages([(image, labels)], tile_px=TILE_PX, sides=SIDES)
    _, found = made(one, [(0, TileDraw(0, 0, side))])
    size = (TILE_PX, TILE_PX)
    expected = Image.fromarray(labels).resize(size, Image.Resampling.NEAREST)
    np.testing.assert_array_equal(found[0], np.asarray(expected))


@given(
    jitter=st.tuples(st.floats(0.3, 3), st.floats(0.3, 3)).map(sorted),
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    seed=st.integers(0, 2**32),
)
def test_no_side_is_drawn_that_the_device_does_not_expect(jitter, size, seed):
    augmentation = Augmentation(scale_jitter=tuple(jitter))
    least, most = crop_sides(TILE_PX, augmentation)
    generator = np.random.default_rng(seed)
    drawn = draw_tile(size, TILE_PX, augmentation, generator, color_generator=None)
    assert least <= drawn.side <= most


def test_zooming_out_of_an_image_as_large_as_the_tile_keeps_its_labels():
    generator = np.random.default_rng(0)
    size = (TILE_PX, TILE_PX)
    pair = (
        generator.integers(0, 256, (*size, 3), dtype=np.uint8),
        generator.integers(0, 6, size, dtype=np.uint8),
    )
    augmentation = Augmentation(scale_jitter=(0.5, 0.8), photometric=0)
    draw = draw_tile(size, TILE_PX, augmentation, generator, color_generator=None)
    there = DeviceImages(
        [pair], tile_px=TILE_PX, sides=crop_sides(TILE_PX, augmentation)
    )
    _, labels = made(there, [(0, draw)])
    _, expected = on_host([pair], [(0, draw)])
    np.testing.assert_array_equal(labels, expected)
