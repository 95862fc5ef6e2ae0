import numpy as np
import pytest

from segshrink.data.band_levels import lacking_data, to_levels

TYPES = ["uint8", "uint16", "int16", "int32", "float32", "float64"]


def numbers(dtype, shape=(7, 11, 3)):
    generator = np.random.default_rng(0)
    if dtype.startswith("float"):
        return generator.normal(0, 4000, shape).astype(dtype)
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -20000), min(limits.max, 40000)
    return generator.integers(low, high, shape, endpoint=True).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    "scale", [((0, 255),) * 3, ((0, 10000), (-1000, 3000), (100.5, 101.5))]
)
def test_levels_are_those_of_a_plain_loop(dtype, scale):
    values = numbers(dtype)
    levels = to_levels(values, scale)
    assert levels.shape == values.shape and levels.dtype == np.uint8
    for row, column, band in np.ndindex(values.shape):
        low, high = scale[band]
        share = (float(values[row, column, band]) - low) * 255 / (high - low)
        assert levels[row, column, band] == round(min(max(share, 0), 255))


def test_eight_bits_stay_as_they_are():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    np.testing.assert_array_equal(to_levels(values, [(0, 255)]), values)


def test_no_number_becomes_no_level_and_the_infinite_are_clipped():
    values = np.array([[[np.nan], [np.inf], [-np.inf], [5]]], np.float32)
    assert to_levels(values, [(0, 10)]).ravel().tolist() == [0, 255, 0, 128]


@pytest.mark.parametrize("dtype", TYPES)
def test_no_data_is_found(dtype):
    values = numbers(dtype)
    values[1, 2, 0] = values[3, 3, :] = 7
    lacking = lacking_data(values, [7])
    for place in np.ndindex(values.shape):
        assert lacking[place] == (values[place] == 7)


@pytest.mark.parametrize(
    "nodata", [[], [-9999], [300], [0.5], [float("nan")], [float("inf")]]
)
def test_bytes_that_hold_no_such_number_have_data(nodata):
    assert lacking_data(np.zeros((2, 2, 1), np.uint8), nodata) is None


def test_nan_is_no_data_and_so_is_a_number_as_near_as_float32_holds_it():
    values = np.array([[[0.1, np.nan]]], np.float32)
    assert lacking_data(values, []).tolist() == [[[False, True]]]
    assert lacking_data(values, [0.1]).tolist() == [[[True, True]]]
