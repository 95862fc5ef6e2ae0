"""Orientations in every format that has them, as viewers apply them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageOps

from segshrink.data.images import SourceFile, read_header, read_image, read_thumbnail
from segshrink.data.masks import read_mask
from segshrink.data.orientation import orientation_of, oriented, shown_size

from .pictures import noise, save

ORIENTATIONS = range(1, 9)
FORMATS = ("jpg", "png", "webp", "tif")


def tagged(path, pixels, orientation, **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif, **options)
    return SourceFile(path, path.name)


def shown(pixels, orientation):
    """Pixels as the EXIF standard describes them, one after the other.

    The 0th row and the 0th column of what is stored are, by orientation: top and left;
    top and right; bottom and right; bottom and left; left and top; right and top;
    right and bottom; left and bottom of what is shown.
    """
    height, width = pixels.shape[:2]
    sideways = orientation >= 5
    size = (width, height) if sideways else (height, width)
    result = np.zeros((*size, *pixels.shape[2:]), pixels.dtype)
    for row in range(height):
        for column in range(width):
            right, bottom = width - 1 - column, height - 1 - row
            y, x = {
                1: (row, column),
                2: (row, right),
                3: (bottom, right),
                4: (bottom, column),
                5: (column, row),
                6: (column, bottom),
                7: (right, bottom),
                8: (right, row),
            }[orientation]
            result[y, x] = pixels[row, column]
    return result


@given(
    pixels=arrays.arrays(
        np.uint16, arrays.array_shapes(min_dims=2, max_dims=3, max_side=6)
    ),
    orientation=st.sampled_from(ORIENTATIONS),
)
def test_pixels_are_turned_as_the_standard_says(pixels, orientation):
    result = oriented(pixels, orientation)
    np.testing.assert_array_equal(result, shown(pixels, orientation))
    assert result.shape[:2] == shown_size(*pixels.shape[:2], orientation)
    assert result.flags.c_contiguous


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_reader_applies_it_as_viewers_do(tmp_path, suffix, orientation):
    options = {"lossless": True} if suffix == "webp" else {}
    pixels = noise(24, 40)
    file = tagged(tmp_path / f"x.{suffix}", pixels, orientation, **options)
    viewed = np.asarray(ImageOps.exif_transpose(Image.open(file.path)).convert("RGB"))
    if suffix != "jpg":
        np.testing.assert_array_equal(viewed, shown(pixels, orientation))
    np.testing.assert_array_equal(read_image(file), viewed)
    header = read_header(file)
    assert (header.height_px, header.width_px) == viewed.shape[:2]
    assert header.orientation == orientation
    assert len(header.conversions) == (orientation != 1)
    small = Image.fromarray(viewed).resize((8, 8), Image.Resampling.BILINEAR)
    difference = np.abs(read_thumbnail(file, 8).astype(int) - np.asarray(small))
    assert difference.max() <= (60 if suffix == "jpg" else 1)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_greyscale_is_turned(tmp_path, kind, suffix):
    """Pillow maps such a TIFF into memory, where it mistakes height for width."""
    file = tagged(tmp_path / f"x.{suffix}", np.arange(6, dtype=kind).reshape(2, 3), 6)
    expected = [[3, 0], [4, 1], [5, 2]]
    codes = read_mask(file, by_index=True)
    unrolled = np.repeat(codes.codes, codes.lengths).reshape(codes.shape)
    np.testing.assert_array_equal(unrolled, expected)
    # Few bits in a file of sixteen stay as they are.
    np.testing.assert_array_equal(read_image(file)[..., 0], expected)


def moved_behind_the_pixels(path):
    """The EXIF block of a PNG behind its pixels, where some programs write it."""
    data = path.read_bytes()
    at = data.index(b"eXIf") - 4
    block = data[at : at + 12 + int.from_bytes(data[at : at + 4], "big")]
    path.write_bytes(data.replace(block, b"")[:-12] + block + data[-12:])


def test_a_block_behind_the_pixels_of_a_png_counts(tmp_path):
    file = tagged(tmp_path / "x.png", noise(5, 9), 6)
    moved_behind_the_pixels(file.path)
    assert read_header(file).orientation == 6
    np.testing.assert_array_equal(read_image(file), shown(noise(5, 9), 6))


@pytest.mark.parametrize("block", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff", b"no"])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_damaged_block_turns_nothing(tmp_path, block, suffix):
    Image.fromarray(noise(8, 16)).save(tmp_path / f"x.{suffix}", exif=block)
    file = SourceFile(tmp_path / f"x.{suffix}", "x")
    assert read_header(file).orientation == 1
    assert read_image(file).shape == (8, 16, 3)


@pytest.mark.parametrize("value", [0, 9, 700])
def test_unknown_orientations_turn_nothing(tmp_path, value):
    file = tagged(tmp_path / "x.png", noise(8, 16), value)
    np.testing.assert_array_equal(read_image(file), noise(8, 16))


def test_most_images_have_none(tmp_path):
    with Image.open(save(tmp_path / "x.png", noise(4, 4))) as image:
        assert orientation_of(image) == 1
