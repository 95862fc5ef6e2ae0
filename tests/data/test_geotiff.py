"""Georeferenced files: their bands, and reading parts of them."""

import subprocess
import sys

import numpy as np
import pytest

from segshrink.errors import DatasetError

from .pictures import noise

rasterio = pytest.importorskip("rasterio")

from rasterio.enums import ColorInterp as Color  # noqa: E402

from prediction.geotiffs import write_scene  # noqa: E402
from segshrink.data.geotiff import (  # noqa: E402
    bands_of_rgb,
    opened_scene,
    read_scene_thumbnail,
    read_window,
)

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


def test_a_window_has_its_pixels_and_says_which_have_data(tmp_path):
    pixels = noise(30, 40)
    pixels[:9] = 0
    masked = write_scene(tmp_path / "a.tif", pixels, nodata=0)
    here = slice(4, 16), slice(10, 35)
    image, has_data = read_window(masked, [3, 2, 1], *here)
    np.testing.assert_array_equal(image, pixels[here][..., ::-1])
    np.testing.assert_array_equal(has_data, (pixels[here] != 0).any(axis=-1))
    assert (
        read_window(write_scene(tmp_path / "b.tif", pixels), [1, 2, 3], *here)[1]
        is None
    )
    with pytest.raises(DatasetError, match="its size changed"):
        read_window(masked, [1, 2, 3], slice(0, 31), slice(0, 40))


def test_a_thumbnail_is_the_mean_of_blocks(tmp_path):
    pixels = noise(64, 128)
    path = write_scene(tmp_path / "a.tif", pixels)
    means = pixels.reshape(16, 4, 16, 8, 3).mean(axis=(1, 3))
    thumbnail = read_scene_thumbnail(path, [1, 2, 3], 16)
    np.testing.assert_allclose(thumbnail, means, atol=1)


def test_a_missing_extra_is_named_with_its_command(tmp_path):
    code = """
import sys
sys.modules["rasterio"] = None
from segshrink.data.geotiff import require_rasterio
try:
    require_rasterio()
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("MissingExtraError Reading georeferenced TIFF")
    assert "pip install 'segshrink[geo]'" in done.stdout
