"""Files of bands, of every type and container, against the numbers written to them."""

import numpy as np
import pytest
from PIL import Image

from segshrink.data import rasters
from segshrink.data.images import SourceFile
from segshrink.data.rasters import read_raster, read_raster_header
from segshrink.errors import DatasetError, MissingExtraError

from .pictures import source_file, write_png

TYPES = ["uint8", "uint16", "int16", "float32"]


def numbers(dtype, count, size=(9, 14)):
    generator = np.random.default_rng(count)
    if dtype == "float32":
        return generator.normal(0, 1000, (*size, count)).astype(dtype)
    limits = np.iinfo(dtype)
    return generator.integers(limits.min, limits.max, (*size, count), dtype)


def as_array(path, values):
    np.save(path.with_suffix(".npy"), values)
    return path.with_suffix(".npy")


def as_array_bands_first(path, values):
    return as_array(path, np.moveaxis(values, -1, 0))


def as_pages(path, values):
    pages = [Image.fromarray(x) for x in np.moveaxis(values, -1, 0)]
    path = path.with_suffix(".tiff")
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


def as_geotiff(path, values, nodata=None, photometric="minisblack"):
    rasterio = pytest.importorskip("rasterio")
    height, width, count = values.shape
    path = path.with_suffix(".tif")
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=count,
        dtype=values.dtype, crs="EPSG:32632", nodata=nodata, photometric=photometric,
        transform=rasterio.Affine(10, 0, 500000, 0, -10, 5000000),
    ) as target:  # fmt: skip
        target.write(np.moveaxis(values, -1, 0))
    return path


CONTAINERS = [as_array, as_array_bands_first, as_pages, as_geotiff]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("write", CONTAINERS)
def test_every_type_and_container(tmp_path, dtype, count, write):
    if write is as_pages and dtype == "int16":
        pytest.skip("Pillow writes no pages of int16")
    if write is as_array_bands_first and count == 1:
        pytest.skip("one band first is tested below")
    values = numbers(dtype, count)
    file = source_file(write(tmp_path / "x", values))
    header = read_raster_header(file)
    assert (header.height_px, header.width_px, header.count) == (9, 14, count)
    assert header.is_deep == (dtype != "uint8")
    use = [count, *range(1, count + 1), 1]
    read = read_raster(file, use)
    assert read.shape == (9, 14, count + 2)
    for place, number in enumerate(use):
        for row, column in np.ndindex(9, 14):
            assert read[row, column, place] == values[row, column, number - 1]


@pytest.mark.parametrize("shape", [(9, 14), (9, 14, 1), (1, 9, 14)])
def test_an_array_of_one_band_has_three_forms(tmp_path, shape):
    values = np.arange(126, dtype=np.uint16).reshape(9, 14)
    file = source_file(as_array(tmp_path / "x", values.reshape(shape)))
    assert read_raster_header(file).count == 1
    np.testing.assert_array_equal(read_raster(file, [1])[..., 0], values)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_picture_of_one_band(tmp_path, dtype, suffix):
    values = numbers(dtype, 1)[..., 0]
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(values).save(path)
    np.testing.assert_array_equal(read_raster(source_file(path), [1])[..., 0], values)


@pytest.mark.parametrize(("mode", "count"), [("RGB", 3), ("RGBA", 4), ("LA", 2)])
def test_a_picture_has_its_channels_as_bands(tmp_path, mode, count):
    values = numbers("uint8", count)
    Image.fromarray(values, mode=mode).save(tmp_path / "x.png")
    file = source_file(tmp_path / "x.png")
    header = read_raster_header(file)
    assert header.count == count and header.has_alpha == (count != 3)
    np.testing.assert_array_equal(read_raster(file, range(1, count + 1)), values)


def test_a_fourth_color_is_not_lost(tmp_path):
    values = numbers("uint8", 4)
    path = as_geotiff(tmp_path / "x", values, photometric="rgb")
    import rasterio

    with rasterio.open(path, "r+") as target:
        target.colorinterp = [
            *target.colorinterp[:3],
            rasterio.enums.ColorInterp.undefined,
        ]
    header = read_raster_header(source_file(path))
    assert (header.count, header.has_alpha) == (4, False)
    np.testing.assert_array_equal(read_raster(source_file(path), (4,)), values[..., 3:])


def test_color_of_sixteen_bits_has_all_of_them(tmp_path):
    row = b"".join(x.to_bytes(2, "big") for x in (1, 300, 65535, 4095, 2, 77))
    path = write_png(tmp_path / "x.png", [row], width=2, depth=16, kind=2)
    header = read_raster_header(source_file(path))
    assert (header.count, header.dtype) == (3, "uint16")
    read = read_raster(source_file(path), (1, 2, 3))
    np.testing.assert_array_equal(read, [[[1, 300, 65535], [4095, 2, 77]]])


def test_an_orientation_turns_bands_of_sixteen_bits(tmp_path):
    values = numbers("uint16", 3)
    rows = [row.astype(">u2").tobytes() for row in values]
    path = write_png(
        tmp_path / "x.png", rows, width=values.shape[1], depth=16, kind=2, orientation=6
    )
    header = read_raster_header(source_file(path))
    assert (header.height_px, header.width_px) == (values.shape[1], values.shape[0])
    expected = np.rot90(values, -1)
    read = read_raster(source_file(path), (1, 2, 3))
    np.testing.assert_array_equal(read, expected)


def test_an_orientation_turns_the_bands(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    values = numbers("uint8", 3)
    Image.fromarray(values).save(tmp_path / "x.png", exif=exif)
    file = source_file(tmp_path / "x.png")
    header = read_raster_header(file)
    assert (header.height_px, header.width_px) == (14, 9)
    expected = np.rot90(values, -1)
    np.testing.assert_array_equal(read_raster(file, (1, 2, 3)), expected)


def test_smaller_pages_are_overviews(tmp_path):
    pages = [np.full((8, 8), 5, np.uint16), np.full((4, 4), 6, np.uint16)]
    first, *others = map(Image.fromarray, pages)
    first.save(tmp_path / "x.tif", save_all=True, append_images=others)
    assert read_raster_header(source_file(tmp_path / "x.tif")).count == 1


@pytest.mark.parametrize("count", [1, 4])
def test_a_file_declares_its_nodata(tmp_path, count):
    path = as_geotiff(tmp_path / "x", numbers("int16", count), nodata=-9999)
    assert read_raster_header(source_file(path)).nodata == -9999


@pytest.mark.parametrize("write", CONTAINERS)
def test_a_band_that_lacks_is_named(tmp_path, write):
    file = source_file(write(tmp_path / "x", numbers("uint16", 2)))
    with pytest.raises(DatasetError, match="band 3 is wanted, but it has 2. Bands cou"):
        read_raster(file, (1, 3))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2, 3, 4, 5)), r"\(height, width, bands\).*got float64 \(2, 3, 4, 5"),
        (np.zeros((4, 5), complex), "integers or floats, got complex128"),
        (np.zeros((0, 5)), "must be an array"),
        (np.array([[{}]]), "not an array of numbers"),
    ],
)
def test_other_arrays_are_refused(tmp_path, values, message):
    np.save(tmp_path / "x.npy", values, allow_pickle=True)
    with pytest.raises(DatasetError, match=message):
        read_raster_header(source_file(tmp_path / "x.npy"))


@pytest.mark.parametrize("suffix", ["npy", "tif", "png"])
def test_a_damaged_file_is_named(tmp_path, suffix):
    (tmp_path / f"x.{suffix}").write_bytes(b"nothing of the kind")
    with pytest.raises(DatasetError, match=f"x.{suffix}"):
        read_raster_header(source_file(tmp_path / f"x.{suffix}"))
    with pytest.raises(DatasetError, match="no such file"):
        read_raster_header(SourceFile(tmp_path / f"y.{suffix}", f"y.{suffix}"))


def test_an_archive_of_arrays_is_refused(tmp_path):
    with (tmp_path / "x.npy").open("wb") as file:
        np.savez(file, a=np.zeros((4, 4)), b=np.zeros((4, 4)))
    with pytest.raises(DatasetError, match="x.npy: holds several arrays"):
        read_raster_header(source_file(tmp_path / "x.npy"))


def test_without_rasterio_its_extra_is_named(tmp_path, monkeypatch):
    file = source_file(as_geotiff(tmp_path / "x", numbers("int16", 4)))
    monkeypatch.setitem(__import__("sys").modules, "rasterio", None)
    with pytest.raises(MissingExtraError, match=r"x.tif, which has several.*\[geo\]"):
        read_raster_header(file)
    assert rasters.ARRAY_SUFFIX == ".npy"
