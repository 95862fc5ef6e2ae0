"""Bands, blocks and damage of scenes."""

import re
import subprocess
import sys

import numpy as np
import pytest

from segshrink.errors import DatasetError

from .pictures import noise

rasterio = pytest.importorskip("rasterio")

from rasterio.enums import ColorInterp as Color  # noqa: E402

from segshrink.data import SlidingWindow  # noqa: E402
from segshrink.prediction.scene_reading import (  # noqa: E402
    SWATH_PX,
    SceneRows,
    bands_of_rgb,
    cache_bytes_of,
    opened_scene,
    swath_of,
)

from .geotiffs import write_scene  # noqa: E402

RED, GREEN, BLUE, ALPHA = Color.red, Color.green, Color.blue, Color.alpha
NONE, GREY = Color.undefined, Color.gray


def scene(tmp_path, bands, colors=None, dtype=np.uint8, **options):
    pixels = np.zeros((4, 5, bands), dtype)
    return write_scene(tmp_path / "a.tif", pixels, colorinterp=colors, **options)


@pytest.mark.parametrize(
    ("colors", "expected"),
    [
        ([RED, GREEN, BLUE], [1, 2, 3]),
        ([BLUE, GREEN, RED], [3, 2, 1]),
        ([BLUE, GREEN, RED, ALPHA], [3, 2, 1]),
        ([ALPHA, RED, GREEN, BLUE], [2, 3, 4]),
        ([GREY, NONE, NONE], [1, 2, 3]),
        ([GREY, NONE, NONE, ALPHA], [1, 2, 3]),
        ([GREY], [1, 1, 1]),
        ([GREY, ALPHA], [1, 1, 1]),
    ],
)
def test_bands_are_taken_by_their_colours(tmp_path, colors, expected):
    with opened_scene(scene(tmp_path, len(colors), colors)) as source:
        assert list(source.colorinterp) == colors
        assert bands_of_rgb(source) == expected


@pytest.mark.parametrize(
    ("bands", "colors", "dtype", "received", "command"),
    [
        (4, [RED, GREEN, BLUE, NONE], np.uint8,
         "got 4 of uint8 (red, green, blue, undefined)", "-b 1 -b 2 -b 3 -co"),
        (4, [BLUE, GREEN, RED, NONE], np.uint8, "got 4 of uint8 (blue, green",
         "-b 3 -b 2 -b 1 -co"),
        (2, [GREY, NONE], np.uint8, "got 2 of uint8", "-b 1 -co"),
        (3, [RED, GREEN, BLUE], np.uint16, "got 3 of uint16",
         "-b 1 -b 2 -b 3 -ot Byte -scale 0 65535 0 255 -co"),
        (1, [GREY], np.float32, "got 1 of float32", "-b 1 -ot Byte -scale -co"),
        (5, None, np.float32, "got 5 of float32", "-b 1 -b 2 -b 3 -ot Byte -scale"),
        (1, [Color.palette], np.uint8, "got 1 of uint8 (palette)", "-expand rgb -co"),
    ],
)  # fmt: skip
def test_other_bands_are_refused_with_the_command_that_helps(
    tmp_path, bands, colors, dtype, received, command
):
    options = {"photometric": "palette"} if colors == [Color.palette] else {}
    path = scene(tmp_path, bands, None if options else colors, dtype, **options)
    if options:
        with rasterio.open(path, "r+") as target:
            target.write_colormap(1, {0: (1, 2, 3)})
    with opened_scene(path) as source, pytest.raises(DatasetError) as caught:
        bands_of_rgb(source)
    message = str(caught.value)
    assert message.startswith(f"{path}: bands must be red, green and blue")
    assert received in message
    assert f"gdal_translate {command}" in message
    assert message.endswith(f" '{path}' '{tmp_path / 'a-rgb.tif'}'")


def test_a_fourth_colour_that_is_marked_as_alpha_is_refused(tmp_path):
    """As rasterio and GDAL write four bands by default."""
    four = np.random.default_rng(0).integers(0, 256, (64, 48, 4), np.uint8)
    path = write_scene(tmp_path / "a.tif", four)
    with opened_scene(path) as source, pytest.raises(DatasetError) as caught:
        assert source.colorinterp[3] == ALPHA
        bands_of_rgb(source)
    message = str(caught.value)
    assert "band 4 is marked as alpha" in message
    assert "gdal_translate -b 1 -b 2 -b 3 -co TILED=YES" in message


def test_alpha_with_a_soft_border_is_taken(tmp_path):
    four = np.full((64, 64, 4), 200, np.uint8)
    four[:, :10, 3] = 0
    four[:, 10:20, 3] = np.arange(0, 200, 20)
    path = write_scene(tmp_path / "a.tif", four)
    with opened_scene(path) as source:
        assert bands_of_rgb(source) == [1, 2, 3]


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


def test_a_missing_extra_is_named_with_its_command(tmp_path):
    code = """
import sys
sys.modules["rasterio"] = None
from segshrink.prediction.scene_reading import require_rasterio
try:
    require_rasterio()
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("MissingExtraError Predicting georeferenced TIFF")
    assert "pip install 'segshrink[geo]'" in done.stdout
