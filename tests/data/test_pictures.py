import numpy as np
import pytest
from PIL import Image

from segshrink.data.augmentation import (
    Recoloring,
    TileDraw,
    cut_tile,
    draw_recoloring,
    recolored,
)
from segshrink.data.pictures import as_rgb, by_pictures

each_number = pytest.mark.parametrize("num_bands", [1, 2, 3, 4, 5, 6, 7, 8, 32])


def noise(num_bands, size=(23, 31)):
    generator = np.random.default_rng(num_bands)
    return generator.integers(0, 256, (*size, num_bands), dtype=np.uint8)


@each_number
def test_each_band_is_changed_as_a_picture_of_its_own(num_bands):
    pixels = noise(num_bands)
    resized = by_pictures(
        pixels, lambda x, _: x.resize((40, 17), Image.Resampling.BILINEAR)
    )
    for band in range(num_bands):
        alone = Image.fromarray(np.ascontiguousarray(pixels[..., band]))
        expected = alone.resize((40, 17), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(resized[..., band], np.asarray(expected))


@each_number
def test_a_tile_has_the_same_place_and_its_own_gain_in_each_band(num_bands):
    pixels = noise(num_bands, (40, 50))
    labels = np.arange(2000, dtype=np.uint8).reshape(40, 50)
    cast = tuple(np.linspace(0.8, 1.2, num_bands))
    draw = TileDraw(5, 7, 32, Recoloring(1.25, -10.0, cast), True, False, True)
    image, its_labels = cut_tile(pixels, labels, draw, 32)
    assert image.shape == (32, 32, num_bands)
    for row, column in np.ndindex(32, 32):
        y, x = 5 + (31 - column), 7 + row
        assert its_labels[row, column] == labels[y, x]
        for band in range(num_bands):
            level = 1.25 * (float(pixels[y, x, band]) - 127.5) + 127.5 - 10
            expected = min(max(round(cast[band] * level), 0), 255)
            assert abs(int(image[row, column, band]) - expected) <= 0.5


def test_the_colours_of_three_bands_are_drawn_as_ever():
    change = draw_recoloring(0.4, np.random.default_rng(3))
    generator = np.random.default_rng(3)
    assert change.contrast == 1 + 0.4 * generator.uniform(-1, 1)
    assert change.brightness == 127.5 * 0.4 * generator.uniform(-1, 1)
    assert change.cast == tuple(1 + 0.1 * generator.uniform(-1, 1, size=3))


@each_number
def test_recolouring_knows_every_band(num_bands):
    change = draw_recoloring(0.4, np.random.default_rng(3), num_bands)
    assert len(change.cast) == num_bands
    pixels = noise(num_bands)
    for band in range(num_bands):
        alone = recolored(
            pixels[..., band : band + 1],
            Recoloring(
                change.contrast, change.brightness, change.cast[band : band + 1]
            ),
        )
        np.testing.assert_array_equal(
            recolored(pixels, change)[..., band], alone[..., 0]
        )


def test_pixels_are_shown_by_three_bands_or_grey():
    eight, two = noise(8), noise(2)
    np.testing.assert_array_equal(as_rgb(eight), eight[..., :3])
    np.testing.assert_array_equal(as_rgb(two), two[..., [0, 0, 0]])
