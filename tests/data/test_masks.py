import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from segshrink.data import Classes
from segshrink.data.masks import find_runs, read_mask, to_labels
from segshrink.errors import DatasetError

from .pictures import (
    BLUE,
    GREEN,
    RED,
    THREE_CLASSES,
    noise,
    save,
    source_file,
    stripes,
    write_png,
)

INDICES = Classes(names=("a", "b", "c"), colors=(RED, GREEN, BLUE), indices=(0, 1, 2))

sizes = arrays.array_shapes(min_dims=2, max_dims=2, max_side=12)


@given(
    codes=arrays.arrays(np.uint32, sizes, elements=st.integers(0, 3)),
)
def test_runs_hold_every_pixel(codes):
    runs = find_runs(codes)
    unrolled = np.repeat(runs.codes, runs.lengths).reshape(runs.shape)
    np.testing.assert_array_equal(unrolled, codes)
    assert (runs.codes[1:] != runs.codes[:-1]).all()


@given(codes=arrays.arrays(np.uint32, sizes, elements=st.integers(0, 3)))
def test_runs_count_as_a_plain_loop_does(codes):
    counted = {}
    for code in codes.ravel().tolist():
        counted[code] = counted.get(code, 0) + 1
    assert find_runs(codes).count() == counted


def test_rgb_and_palette_masks_are_read_alike(tmp_path):
    labels = stripes(6, 9)
    rgb = save(tmp_path / "rgb.png", THREE_CLASSES.colorize(labels))
    palette = Image.fromarray(2 - labels, mode="P")
    palette.putpalette([*BLUE, *GREEN, *RED])
    palette.save(tmp_path / "palette.png")
    for path in (rgb, tmp_path / "palette.png"):
        runs = read_mask(source_file(path), by_index=False)
        found = to_labels(runs, THREE_CLASSES, source_file(path))
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, labels)


@pytest.mark.parametrize("mode", ["L", "P"])
def test_index_masks_are_read_by_value(tmp_path, mode):
    labels = stripes(6, 9)
    picture = Image.fromarray(labels, mode=mode)
    if mode == "P":
        picture.putpalette([9, 9, 9, 8, 8, 8, 9, 9, 9])
    picture.save(tmp_path / "x.png")
    file = source_file(tmp_path / "x.png")
    found = to_labels(read_mask(file, by_index=True), INDICES, file)
    np.testing.assert_array_equal(found, labels)


def test_sixteen_bit_indices_keep_their_value(tmp_path):
    classes = Classes(names=("far",), colors=(RED,), indices=(1000,))
    file = source_file(save(tmp_path / "x.png", np.full((2, 2), 1000, np.uint16)))
    assert (to_labels(read_mask(file, by_index=True), classes, file) == 0).all()


@pytest.mark.parametrize(
    ("depth", "row", "expected"),
    [
        (1, 0b0101_0000, [0, 1, 0, 1]),
        (2, 0b00_01_10_11, [0, 1, 2, 3]),
        (4, 0x27, [2, 7]),
    ],
)
def test_indices_of_few_bits_are_not_stretched(tmp_path, depth, row, expected):
    width = len(expected)
    path = write_png(
        tmp_path / "x.png", [bytes([row])], width=width, depth=depth, kind=0
    )
    runs = read_mask(source_file(path), by_index=True)
    assert np.repeat(runs.codes, runs.lengths).tolist() == expected


def test_several_channels_hold_no_indices(tmp_path):
    file = source_file(save(tmp_path / "x.png", noise(3, 3)))
    with pytest.raises(DatasetError) as error:
        read_mask(file, by_index=True)
    assert str(error.value) == (
        "x.png: a mask of indices has one channel, or three that are equal, but this "
        "one has colours. Save it as greyscale, or declare its classes by `color` in "
        "dataset.yaml."
    )


def test_an_undeclared_color_is_named_with_its_pixels(tmp_path):
    picture = THREE_CLASSES.colorize(stripes(6, 9))
    picture[:2, :4] = (255, 0, 255)
    file = source_file(save(tmp_path / "x.png", picture))
    with pytest.raises(DatasetError) as error:
        to_labels(read_mask(file, by_index=False), THREE_CLASSES, file)
    assert str(error.value) == (
        "x.png: 8 pixels have colour #FF00FF, which is not a class of this data set. "
        "Add it to `classes` or to `void_colors` in dataset.yaml."
    )


def test_many_undeclared_indices_are_summed_up(tmp_path):
    indices = np.array([[10, 10, 10, 11, 11, 12, 13, 14, 0]], np.uint8)
    file = source_file(save(tmp_path / "x.png", indices))
    with pytest.raises(DatasetError) as error:
        to_labels(read_mask(file, by_index=True), INDICES, file)
    assert str(error.value) == (
        "x.png: 3 pixels have index 10, 2 pixels have index 11, 1 pixel has index 12, "
        "2 pixels have 2 more, each of which is not a class of this data set. "
        "Add it to `classes` or to `void_indices` in dataset.yaml."
    )
