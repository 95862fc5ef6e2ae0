"""Tiles of an image that are blended, against the image itself and a plain loop."""

import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.data import SlidingWindow, map_by_tiles, stream_by_tiles

from .pictures import noise

TILE_PX = (16, 12)
ONE_BAND = SlidingWindow(size_px=(16, 200), tile_px=TILE_PX, overlap=0.25)

sides = st.integers(1, 60)
overlaps = st.floats(0, 0.9)


def channel_sums(tiles):
    """A prediction for each pixel by itself."""
    tiles = tiles.astype(np.float32)
    return np.stack([tiles[..., 0], -tiles[..., 1], tiles.sum(axis=-1)], axis=-1)


def by_place(tiles):
    """Says something else at every place of a tile, so that blending shows."""
    rows, columns = np.indices(tiles.shape[1:3])
    place = np.stack([rows**2, 3 * columns, rows * columns], axis=-1)
    return channel_sums(tiles) + 10 * place.astype(np.float32)


class Recorded:
    """A predictor that keeps its batches."""

    def __init__(self, predict=channel_sums):
        self.predict = predict
        self.batches = []

    def __call__(self, tiles):
        self.batches.append(tiles.copy())
        return self.predict(tiles)

    @property
    def tiles(self):
        return np.concatenate(self.batches)


def mapped(predict, image, overlap=0.25, *, channels=3, tile_px=TILE_PX, **options):
    return map_by_tiles(
        predict, image, tile_px=tile_px, channels=channels, overlap=overlap, **options
    )


def place_image(height, width):
    """An image whose pixels say their row and column."""
    rows, columns = np.indices((height, width))
    return np.stack([rows, columns, rows], axis=-1).astype(np.uint8)


def plain_loop(predict, image, tile_px, overlap):
    """Tile after tile, pixel after pixel, in double precision."""
    height, width = image.shape[:2]
    short = [(0, max(0, tile_px[axis] - image.shape[axis])) for axis in (0, 1)]
    image = np.pad(image, [*short, (0, 0)], mode="reflect")
    starts = []
    for tile, side in zip(tile_px, image.shape[:2], strict=True):
        most = max(1, math.floor(tile * (1 - overlap)))
        count = 1
        while (count - 1) * most < side - tile:
            count += 1
        starts.append([int(start) for start in np.linspace(0, side - tile, count)])
    total = np.zeros((*image.shape[:2], 3))
    weights = np.zeros((*image.shape[:2], 1))
    for top in starts[0]:
        for left in starts[1]:
            tile = image[top : top + tile_px[0], left : left + tile_px[1]]
            answer = predict(tile[None])[0]
            for row in range(tile_px[0]):
                for column in range(tile_px[1]):
                    weight = min(row + 1, tile_px[0] - row)
                    weight *= min(column + 1, tile_px[1] - column)
                    total[top + row, left + column] += weight * answer[row, column]
                    weights[top + row, left + column] += weight
    return (total / weights)[:height, :width]


@given(st.integers(1, 30), st.integers(1, 30), overlaps, st.integers(1, 5))
def test_blends_as_a_plain_loop_does(height, width, overlap, batch_size):
    image, tile_px = noise(height, width, seed=height), (7, 6)
    blended = mapped(by_place, image, overlap, tile_px=tile_px, batch_size=batch_size)
    expected = plain_loop(by_place, image, tile_px, overlap)
    np.testing.assert_allclose(blended, expected, rtol=1e-5, atol=1e-2)


@given(sides, sides, overlaps, st.integers(1, 9), st.integers(0, 2**31))
def test_a_pixelwise_predictor_gives_each_pixel_its_own(
    height, width, overlap, batch_size, seed
):
    image = noise(height, width, seed)
    values = mapped(channel_sums, image, overlap, batch_size=batch_size)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, channel_sums(image), rtol=1e-5, atol=1e-3)


@given(sides, sides, overlaps)
def test_a_constant_predictor_gives_the_constant_everywhere(height, width, overlap):
    def constant(tiles):
        return np.full((*tiles.shape[:3], 1), 7.5, np.float32)

    values = mapped(constant, np.zeros((height, width, 3)), overlap, channels=1)
    assert values.shape == (height, width, 1)
    np.testing.assert_allclose(values, 7.5, rtol=1e-6)


@given(sides, sides, overlaps, st.integers(2, 9))
def test_the_batch_size_does_not_matter(height, width, overlap, batch_size):
    image = noise(height, width, seed=width)
    one, many = Recorded(by_place), Recorded(by_place)
    expected = mapped(one, image, overlap)
    values = mapped(many, image, overlap, batch_size=batch_size)
    np.testing.assert_array_equal(values, expected)
    assert {batch.shape for batch in one.batches} == {(1, *TILE_PX, 3)}
    assert {batch.shape for batch in many.batches} == {(batch_size, *TILE_PX, 3)}
    # No more batches than tiles need, and only the last one is filled up.
    count = len(one.tiles)
    assert len(many.batches) == math.ceil(count / batch_size)
    np.testing.assert_array_equal(many.tiles[:count], one.tiles)


def test_what_fills_the_last_batch_up_does_not_count():
    def poisoned(tiles):
        answer = channel_sums(tiles)
        answer[~tiles.any(axis=(1, 2, 3))] = np.nan
        return answer

    image = np.maximum(1, noise(40, 31))
    values = mapped(poisoned, image, batch_size=7)
    np.testing.assert_allclose(values, channel_sums(image), rtol=1e-5, atol=1e-3)


@given(sides, sides, overlaps)
def test_neighbouring_tiles_overlap_at_least_as_requested(height, width, overlap):
    height, width = max(height, 16), max(width, 12)
    recorded = Recorded()
    mapped(recorded, place_image(height, width), overlap)
    for axis, tile, side in ((0, 16, height), (1, 12, width)):
        starts = sorted({int(first[0, 0, axis]) for first in recorded.tiles})
        assert starts[0] == 0
        assert starts[-1] == side - tile
        # At 0.9 of 12 pixels a tile still has to advance by one.
        gaps = np.diff(starts)
        assert gaps.max(initial=0) <= max(1, tile * (1 - overlap))
        # Spread evenly, since whole pixels cannot be halved.
        assert np.ptp(gaps) <= 1 if len(gaps) else side == tile


def test_tiles_are_those_of_the_image():
    image, recorded = place_image(40, 30), Recorded()
    before = image.copy()
    mapped(recorded, image)
    assert recorded.tiles.dtype == image.dtype
    for tile in recorded.tiles:
        top, left = tile[0, 0, :2]
        np.testing.assert_array_equal(tile, image[top : top + 16, left : left + 12])
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("overlap", [0, 0.25, 0.9])
def test_an_image_of_one_tile_is_predicted_once(overlap):
    recorded, image = Recorded(by_place), noise(*TILE_PX)
    values = mapped(recorded, image, overlap)
    assert len(recorded.batches) == 1
    np.testing.assert_allclose(values, by_place(image[None])[0], rtol=1e-6)


def test_without_overlap_tiles_lie_side_by_side():
    recorded, image = Recorded(by_place), noise(32, 36)
    values = mapped(recorded, image, 0)
    assert len(recorded.tiles) == 6
    expected = by_place(image[None, 16:, 12:24])[0]
    np.testing.assert_allclose(values[16:, 12:24], expected, rtol=1e-6)


def test_a_smaller_image_is_continued_by_reflection():
    recorded, image = Recorded(), noise(10, 5)
    values = mapped(recorded, image)
    (tile,) = recorded.tiles
    np.testing.assert_array_equal(tile[:10, :5], image)
    np.testing.assert_array_equal(tile[:10, 5:9], image[:, 3::-1])
    np.testing.assert_array_equal(tile[10:16, :5], image[8:2:-1])
    assert values.shape == (10, 5, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 60), (60, 1), (15, 60), (60, 11)])
def test_an_image_may_be_smaller_than_a_tile_along_one_side_only(size):
    recorded, image = Recorded(), noise(*size)
    values = mapped(recorded, image, 0.5)
    np.testing.assert_allclose(values, channel_sums(image), rtol=1e-5, atol=1e-3)
    # What is put there is the image again, mirrored, and nothing else.
    shown = {tuple(pixel) for pixel in recorded.tiles.reshape(-1, 3)}
    assert shown <= {tuple(pixel) for pixel in image.reshape(-1, 3)}


def test_the_middle_of_a_tile_outweighs_the_border_of_its_neighbour():
    values = iter([0.0, 1.0])

    def one_after_the_other(tiles):
        return np.full((1, *TILE_PX, 1), next(values), np.float32)

    image = np.zeros((16, 18, 3), np.uint8)
    blended = mapped(one_after_the_other, image, 0.5, channels=1)[0, :, 0]
    assert (blended[:6] == 0).all()
    assert (blended[12:] == 1).all()
    np.testing.assert_allclose(blended[6:12], np.arange(1, 7) / 7, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32])
def test_predictors_may_answer_in_other_types(dtype):
    image = noise(20, 30)
    values = mapped(lambda tiles: channel_sums(tiles).astype(dtype), image)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, channel_sums(image), rtol=1e-5, atol=1e-3)


def test_float_images_reach_the_predictor_as_they_are():
    image = np.random.default_rng(0).normal(size=(20, 30, 3)).astype(np.float32)
    recorded = Recorded()
    values = mapped(recorded, image)
    assert recorded.tiles.dtype == np.float32
    np.testing.assert_allclose(values, channel_sums(image), rtol=1e-4, atol=1e-5)


def count_tiles(size_px, overlap, swath_px=None):
    window = SlidingWindow(
        size_px=size_px, tile_px=TILE_PX, overlap=overlap, swath_px=swath_px
    )
    return window.count_tiles()


def streamed(predict, image, overlap, *, swath_px=None, batch_size=1, held_bytes=0):
    """The map of pieces, and how often each pixel was emitted."""
    size = image.shape[:2]
    result = np.full((*size, 3), np.nan, np.float32)
    times, tiles = np.zeros(size, int), []

    def emit(row, column, piece):
        here = (
            slice(row, row + piece.shape[0]),
            slice(column, column + piece.shape[1]),
        )
        result[here] = piece
        times[here] += 1

    def read(rows, columns):
        assert 0 <= rows.start < rows.stop <= size[0]
        assert 0 <= columns.start < columns.stop <= size[1]
        return image[rows, columns]

    window = SlidingWindow(
        size_px=size, tile_px=TILE_PX, overlap=overlap, swath_px=swath_px,
        batch_size=batch_size,
    )  # fmt: skip
    stream_by_tiles(
        predict, read, emit, window, channels=3, on_tiles=tiles.append,
        held_bytes=held_bytes,
    )  # fmt: skip
    return result, times, sum(tiles)


@given(sides, sides, overlaps, st.integers(1, 70), st.integers(1, 5))
def test_swaths_give_the_very_same_map(height, width, overlap, swath_px, batch_size):
    image = noise(height, width, seed=height)
    expected = mapped(by_place, image, overlap)
    found, times, tiles = streamed(
        by_place, image, overlap, swath_px=swath_px, batch_size=batch_size
    )
    np.testing.assert_array_equal(found, expected)
    assert (times == 1).all()
    assert tiles == count_tiles((height, width), overlap, swath_px)


def test_swaths_cost_a_column_of_tiles_each():
    size, overlap = (160, 1200), 0.25
    whole = count_tiles(size, overlap)
    assert count_tiles(size, overlap, 1200) == whole
    with_three = count_tiles(size, overlap, 400)
    rows = count_tiles((160, 12), overlap)
    # At a border tiles lie one or two deep.
    assert whole + 2 * rows <= with_three <= whole + 4 * rows


@given(sides, sides, st.integers(1, 70), st.integers(1, 3), st.integers(1, 200_000))
def test_predicting_ahead_gives_the_very_same_map(
    height, width, swath_px, batch_size, held_bytes
):
    image = noise(height, width, seed=height)
    options = {"swath_px": swath_px, "batch_size": batch_size}
    one, other = Recorded(by_place), Recorded(by_place)
    expected, _, _ = streamed(one, image, 0.25, **options)
    found, times, _ = streamed(other, image, 0.25, held_bytes=held_bytes, **options)
    np.testing.assert_array_equal(found, expected)
    assert (times == 1).all()
    np.testing.assert_array_equal(other.tiles, one.tiles)


def test_tiles_are_predicted_while_others_are_read():
    image, begun, most = noise(16, 200), threading.Event(), []

    def predict(tiles):
        # Were the next tile not read meanwhile, this would wait in vain.
        assert begun.wait(timeout=60) or len(most) > 1
        return channel_sums(tiles)

    def read(rows, columns):
        most.append(columns.start)
        if len(most) == 2:
            begun.set()
        return image[rows, columns]

    stream_by_tiles(predict, read, lambda *_: None, ONE_BAND, channels=3, held_bytes=1)
    assert len(most) == ONE_BAND.count_tiles()


def ahead_of(held_bytes):
    """Tiles read beyond the one that is blended first, of an image of one band."""
    read_then, columns_read = [], []

    def read(rows, columns):
        columns_read.append(columns.start)
        return np.zeros((rows.stop - rows.start, columns.stop - columns.start, 3))

    stream_by_tiles(
        channel_sums, read, lambda *_: None, ONE_BAND, channels=3,
        held_bytes=held_bytes,
        on_tiles=lambda _: read_then.append(len(columns_read)),
    )  # fmt: skip
    return read_then[0] - 1


def test_what_the_band_leaves_is_for_tiles_that_wait():
    # Sums of 3 channels, and of weights.
    band = 4 * 16 * 200 * (3 + 1)
    tile = 4 * 16 * 12 * 3
    assert ahead_of(0) == 0
    assert [ahead_of(x) for x in (1, band, band + 2 * tile)] == [1, 1, 1]
    assert [ahead_of(band + x) for x in (5 * tile - 1, 5 * tile)] == [3, 4]


@pytest.mark.parametrize(("held_bytes", "ahead"), [(0, 0), (1, 1)])
def test_an_error_of_the_predictor_ends_it(held_bytes, ahead):
    calls = []

    def predict(tiles):
        calls.append(1)
        if len(calls) == 3:
            raise ValueError("third")
        return channel_sums(tiles)

    with pytest.raises(ValueError, match="third"):
        streamed(predict, noise(60, 200), 0.25, held_bytes=held_bytes)
    # The tiles that waited are not predicted for nobody.
    assert len(calls) <= 3 + ahead
