"""Blocks and damage of scenes."""

import re

import numpy as np
import pytest

from segshrink.errors import DatasetError

from .pictures import noise

rasterio = pytest.importorskip("rasterio")

from segshrink.data import SlidingWindow  # noqa: E402
from segshrink.data.geotiff import opened_scene  # noqa: E402
from segshrink.prediction.scene_reading import (  # noqa: E402
    SWATH_PX,
    SceneRows,
    cache_bytes_of,
    swath_of,
)

from .geotiffs import write_scene  # noqa: E402


def window_of(source, tile_px, swath_px=4096):
    return SlidingWindow(
        size_px=source.shape, tile_px=(tile_px, tile_px), overlap=0, swath_px=swath_px
    )


def test_whole_rows_are_decoded_for_few_swaths(tmp_path):
    wide = np.zeros((40, 9000, 3), np.uint8)
    strips = write_scene(tmp_path / "s.tif", wide, compress="deflate", blockysize=8)
    tiles = write_scene(
        tmp_path / "t.tif", wide, tiled=True, blockxsize=256, blockysize=256
    )
    with opened_scene(strips) as source:
        assert source.block_shapes[0] == (8, 9000)
        assert swath_of(source, (256, 256), 6) == 18432
        # With many classes a band of that width would be too much.
        assert swath_of(source, (512, 512), 100) == SWATH_PX
        cache = cache_bytes_of(source, window_of(source, 16))
        assert cache >= 3 * 8 * 9000 * 3
    with opened_scene(tiles) as source:
        assert swath_of(source, (256, 256), 6) == SWATH_PX
        assert cache_bytes_of(source, window_of(source, 16)) >= 40 * 4096 * 3


def test_a_scene_in_one_huge_block_is_refused(tmp_path):
    path = tmp_path / "huge.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=20_000, height=20_000, count=3, dtype="uint8",
        blockysize=10_000, compress="deflate", sparse_ok=True, nodata=0,
    ):  # fmt: skip
        pass
    with opened_scene(path) as source, pytest.raises(DatasetError) as caught:
        cache_bytes_of(source, window_of(source, 256))
    assert "stored in blocks of 20000 x 10000 pixels" in str(caught.value)
    assert "gdal_translate -co TILED=YES" in str(caught.value)


def rows_of(source, on_pixels=lambda *_: None):
    return SceneRows(source, window_of(source, 16, 32), on_pixels=on_pixels)


def test_each_row_of_tiles_is_read_once(tmp_path):
    pixels = noise(40, 100)
    read = []
    with opened_scene(write_scene(tmp_path / "a.tif", pixels)) as source:
        rows = rows_of(source, lambda *part: read.append(part))
        for top in (0, 12, 24):
            for left in (20, 32, 44):
                here = slice(top, top + 16), slice(left, left + 16)
                np.testing.assert_array_equal(rows.read(*here), pixels[here])
        assert rows.without_data(0, 20, (12, 32)) is None
    assert [(row, column) for row, column, _ in read] == [(0, 20), (12, 20), (24, 20)]
    np.testing.assert_array_equal(read[1][2], pixels[12:28, 20:84])


def test_pixels_without_data_are_known_of_the_rows_read(tmp_path):
    pixels = noise(40, 64)
    pixels[:, :20] = 0
    pixels[5, 30] = 0
    pixels[6, 31, 1:] = 0
    pixels[6, 31, 0] = 7
    with opened_scene(write_scene(tmp_path / "a.tif", pixels, nodata=0)) as source:
        rows = rows_of(source)
        for left in (0, 10, 32):
            rows.read(slice(0, 16), slice(left, left + 16))
        assert [rows.next_tile_has_data() for _ in range(3)] == [False, True, True]
        empty = rows.without_data(0, 8, (12, 30))
    np.testing.assert_array_equal(empty, (pixels[:12, 8:38] == 0).all(axis=-1))


def test_a_damaged_scene_is_named(tmp_path):
    path = write_scene(tmp_path / "a.tif", noise(200, 200), compress="deflate")
    path.write_bytes(path.read_bytes()[:40_000])
    with opened_scene(path) as source, pytest.raises(DatasetError) as caught:
        for top in range(0, 184, 16):
            rows_of(source).read(slice(top, top + 16), slice(0, 16))
    assert str(caught.value).startswith(f"{path}: cannot be read (")
    with pytest.raises(DatasetError, match=re.escape(f"{tmp_path}/b.tif: cannot be")):
        with opened_scene(tmp_path / "b.tif"):
            pass
