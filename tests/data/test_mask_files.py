"""Masks as people save them, against plain loops over their pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from segshrink.data.mask_files import MaskReading, read_codes, resized_codes
from segshrink.errors import DatasetError

from .pictures import noise, save, source_file, stripes, write_png

PLAIN = MaskReading()
LABELS = stripes(6, 9, 2)


def codes_of(path, reading=PLAIN, *, by_index):
    codes = read_codes(source_file(path), reading, by_index=by_index)
    assert codes.dtype == np.uint32
    return codes


def looped(labels, code_of):
    """Codes of labels, one pixel after the other."""
    codes = np.zeros(labels.shape, np.uint32)
    for row in range(labels.shape[0]):
        for column in range(labels.shape[1]):
            codes[row, column] = code_of[labels[row, column]]
    return codes


def saved(tmp_path, picture, name="x.png", **options):
    picture.save(tmp_path / name, **options)
    return tmp_path / name


BILEVEL = Image.fromarray(LABELS * 255).convert("1", dither=Image.Dither.NONE)


@pytest.mark.parametrize("name", ["x.png", "x.bmp", "x.tif"])
def test_masks_of_one_bit(tmp_path, name):
    path = saved(tmp_path, BILEVEL, name)
    np.testing.assert_array_equal(codes_of(path, by_index=True), LABELS)
    np.testing.assert_array_equal(
        codes_of(path, MaskReading(grey_levels=True), by_index=True),
        looped(LABELS, [0, 255]),
    )
    colors = looped(LABELS, [0, 0xFFFFFF])
    np.testing.assert_array_equal(codes_of(path, by_index=False), colors)


LEVELS = MaskReading(grey_levels=True)


@pytest.mark.parametrize("name", ["x.png", "x.bmp", "x.tif", "x.gif", "x.webp"])
def test_greyscale_of_black_and_white(tmp_path, name):
    lossless = {"lossless": True} if name.endswith("webp") else {}
    path = saved(tmp_path, Image.fromarray(LABELS * 255), name, **lossless)
    indices, colors = looped(LABELS, [0, 255]), looped(LABELS, [0, 0xFFFFFF])
    np.testing.assert_array_equal(codes_of(path, LEVELS, by_index=True), indices)
    np.testing.assert_array_equal(codes_of(path, by_index=False), colors)


def test_a_palette_of_colours_has_no_grey_levels(tmp_path):
    picture = Image.fromarray(LABELS, mode="P")
    picture.putpalette([0, 0, 0, 255, 0, 0])
    path = saved(tmp_path, picture)
    np.testing.assert_array_equal(codes_of(path, LEVELS, by_index=True), LABELS)


@pytest.mark.parametrize(("kind", "count"), [(2, 3), (6, 4), (4, 2)])
def test_indices_of_sixteen_bits_in_several_channels_are_refused(tmp_path, kind, count):
    row = np.array([[0, 1, 2]] * count).T.astype(">u2").tobytes()
    path = write_png(tmp_path / "x.png", [row], width=3, depth=16, kind=kind)
    with pytest.raises(DatasetError, match="several channels of 16 bits"):
        codes_of(path, by_index=True)


def test_indices_beyond_a_palette_are_no_grey_levels(tmp_path):
    picture = Image.fromarray(LABELS * 255, mode="P")
    picture.putpalette([0, 0, 0, 255, 255, 255])
    path = saved(tmp_path, picture, bits=8)
    np.testing.assert_array_equal(codes_of(path, LEVELS, by_index=True), LABELS * 255)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_three_equal_channels_and_alpha_hold_indices(tmp_path, mode):
    path = saved(tmp_path, Image.fromarray(LABELS * 7).convert(mode))
    indices, colors = looped(LABELS, [0, 7]), looped(LABELS, [0, 0x070707])
    np.testing.assert_array_equal(codes_of(path, by_index=True), indices)
    np.testing.assert_array_equal(codes_of(path, by_index=False), colors)


@pytest.mark.parametrize("name", ["x.png", "x.gif", "x.tif", "x.bmp"])
@given(order=st.permutations([0, 1, 2]))
def test_colours_of_a_palette_do_not_depend_on_its_order(tmp_path_factory, name, order):
    colors = [(10, 20, 30), (200, 0, 0), (0, 0, 250)]
    labels = stripes(6, 9, 3)
    picture = Image.fromarray(np.argsort(order)[labels].astype(np.uint8), mode="P")
    picture.putpalette([value for entry in order for value in colors[entry]])
    path = saved(tmp_path_factory.mktemp("palette"), picture, name)
    expected = looped(labels, [0x0A141E, 0xC80000, 0x0000FA])
    np.testing.assert_array_equal(codes_of(path, by_index=False), expected)


@given(
    values=arrays.arrays(
        st.sampled_from([np.uint8, np.uint16, np.int32, np.float32]),
        arrays.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.integers(0, 255),
    ),
    high=st.sampled_from([0, 256, 65280]),
)
def test_whole_numbers_of_any_type_are_indices(tmp_path_factory, values, high):
    if values.dtype != np.uint8:
        values = values + values.dtype.type(high)
    path = save(tmp_path_factory.mktemp("tiff") / "x.tif", values)
    expected = [[int(value) for value in row] for row in values]
    np.testing.assert_array_equal(codes_of(path, by_index=True), expected)


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf])
def test_fractions_are_refused_with_the_name_of_the_file(tmp_path, value):
    values = LABELS.astype(np.float32)
    values[0, :2] = value
    path = save(tmp_path / "x.tif", values)
    with pytest.raises(DatasetError) as error:
        codes_of(path, by_index=True)
    if np.isinf(value):
        assert "0 to 65535, but this mask holds 0 to inf" in str(error.value)
        return
    assert str(error.value) == (
        "x.tif: a mask of indices holds whole numbers, but 2 pixels of this one do "
        f"not, such as {value:g}. Round them, or save the mask that it was computed "
        "from."
    )


def test_numbers_beyond_16_bits_are_refused(tmp_path):
    path = save(tmp_path / "x.tif", LABELS.astype(np.int32) - 1)
    with pytest.raises(DatasetError, match="but this mask holds -1 to 0. Save it with"):
        codes_of(path, by_index=True)


def test_colours_are_no_indices_and_numbers_no_colours(tmp_path):
    path = save(tmp_path / "x.png", noise(4, 4))
    with pytest.raises(
        DatasetError, match="three that are equal, but this one has col"
    ):
        codes_of(path, by_index=True)
    path = save(tmp_path / "x.tif", LABELS.astype(np.float32))
    with pytest.raises(
        DatasetError, match="is of kind 'F'. Save it as RGB with 8 bits"
    ):
        codes_of(path, by_index=False)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_as_the_mask(tmp_path, mode):
    picture = Image.new(mode, (9, 6), "white")
    picture.putalpha(Image.fromarray(LABELS * 255))
    path = saved(tmp_path, picture)
    reading = MaskReading(from_alpha=True)
    indices, colors = looped(LABELS, [0, 255]), looped(LABELS, [0, 0xFFFFFF])
    np.testing.assert_array_equal(codes_of(path, reading, by_index=True), indices)
    np.testing.assert_array_equal(codes_of(path, reading, by_index=False), colors)


def test_of_an_animation_the_first_frame_counts(tmp_path):
    frames = [Image.fromarray(LABELS * value) for value in (255, 100)]
    path = saved(tmp_path, frames[0], "x.gif", save_all=True, append_images=frames[1:])
    expected = looped(LABELS, [0, 255])
    np.testing.assert_array_equal(codes_of(path, LEVELS, by_index=True), expected)


@pytest.mark.parametrize(("depth", "row"), [(2, bytes([0b00011011])), (4, b"\x01\x23")])
def test_greyscale_of_few_bits_is_not_stretched(tmp_path, depth, row):
    path = write_png(tmp_path / "x.png", [row], width=4, depth=depth, kind=0)
    assert codes_of(path, by_index=True).tolist() == [[0, 1, 2, 3]]


@given(
    codes=arrays.arrays(
        np.uint32, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9)
    ),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def test_resizing_takes_the_nearest_pixel(codes, size):
    expected = np.zeros(size, np.uint32)
    for row in range(size[0]):
        for column in range(size[1]):
            y = int((row + 0.5) * codes.shape[0] / size[0] + 1e-9)
            x = int((column + 0.5) * codes.shape[1] / size[1] + 1e-9)
            expected[row, column] = codes[y, x]
    np.testing.assert_array_equal(resized_codes(codes, size), expected)
