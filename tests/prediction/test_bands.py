"""Scenes and photographs of other bands than RGB, against whole images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segshrink.data.band_levels import to_levels
from segshrink.errors import DatasetError
from segshrink.prediction import find_photos, segment_file
from segshrink.records.bands import Bands
from segshrink.records.metadata import FileMetadata, InputImage
from segshrink.runtimes import predict_image

from .pictures import BrightnessArtifact

SCALE = ((0, 3000), (-500, 500), (0, 3000))


class ThreeOfFive(BrightnessArtifact):
    """Takes bands 5, 1 and 3, and predicts another thing at every place of a tile."""

    metadata = FileMetadata(
        input=InputImage(
            height=16, width=16, bands=Bands(use=(5, 1, 3), scale=SCALE, nodata=-7)
        )
    )

    def predict(self, images):
        rows, columns = np.indices(images.shape[1:3])
        weights = np.stack([rows, columns, rows * columns % 7], axis=-1)
        return images.astype(np.float32) * (1 + 0.1 * weights)


class FourUnknown(BrightnessArtifact):
    num_bands = 4


def numbers(count=5, size=(70, 90)):
    generator = np.random.default_rng(0)
    return generator.integers(-500, 3000, (*size, count)).astype(np.int16)


def write(path, values, nodata=None):
    rasterio = pytest.importorskip("rasterio")
    height, width, count = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=count,
        dtype=values.dtype, crs="EPSG:32632", nodata=nodata,
        transform=rasterio.Affine(10, 0, 500000, 0, -10, 5000000),
    ) as target:  # fmt: skip
        target.write(np.moveaxis(values, -1, 0))


def segmented(artifact, path, out, **options):
    (photo,) = find_photos([path], out, **options)
    areas = segment_file(artifact, photo, out)
    with Image.open(photo.mask(out)) as picture:
        return np.asarray(picture), areas


@pytest.mark.parametrize("swath_px", [32, 4096])
@pytest.mark.parametrize("nodata", [None, -8])
def test_a_scene_is_that_of_the_whole_image(tmp_path, monkeypatch, swath_px, nodata):
    monkeypatch.setattr("segshrink.prediction.scene_reading.SWATH_PX", swath_px)
    monkeypatch.setattr("segshrink.prediction.scene_reading._MOST_BAND_BYTES", 1)
    values = numbers()
    values[:20, 30:] = -7
    values[60:, :40, [4, 0, 2]] = -8  # no data only if the file says so
    write(tmp_path / "x.tif", values, nodata)
    classes, areas = segmented(ThreeOfFive(), tmp_path / "x.tif", tmp_path / "out")
    used = values[..., [4, 0, 2]]
    lacking = (used == -7) | ((used == -8) if nodata == -8 else False)
    pixels = to_levels(used, SCALE)
    pixels[lacking] = 0
    expected = predict_image(ThreeOfFive(), pixels).argmax(axis=-1)
    expected[lacking.all(axis=-1)] = 255
    np.testing.assert_array_equal(classes, expected)
    assert areas.pixels.sum() == (expected != 255).sum()


def test_an_array_and_files_of_one_band_are_predicted_like_the_scene(tmp_path):
    values = numbers()
    values[:9, 30:] = -7
    write(tmp_path / "x.tif", values)
    np.save(tmp_path / "y.npy", values)
    out = tmp_path / "out"
    of_scene, areas = segmented(ThreeOfFive(), tmp_path / "x.tif", out)
    of_array, same = segmented(ThreeOfFive(), tmp_path / "y.npy", out)
    np.testing.assert_array_equal(of_array, of_scene)
    np.testing.assert_array_equal(same.pixels, areas.pixels)


def test_files_of_one_band_each_are_one_image(tmp_path):
    values = numbers()
    folder = tmp_path / "images"
    folder.mkdir()
    endings = ("_a", "_b", "_c", "_d", "_e")
    for band, ending in enumerate(endings):
        np.save(folder / f"x{ending}.npy", values[..., band])
    (photo,) = find_photos([folder], tmp_path / "out", band_endings=endings)
    assert photo.path.name == "x_a.npy" and photo.name == Path("x")
    before = photo.state()
    np.save(folder / "x_d.npy", values[..., 3])
    assert photo.state() != before
    artifact = ThreeOfFive()
    bands = artifact.metadata.input.bands.model_copy(update={"files": endings})
    image = artifact.metadata.input.model_copy(update={"bands": bands})
    artifact.metadata = FileMetadata(input=image)
    segment_file(artifact, photo, tmp_path / "out")
    expected = predict_image(artifact, to_levels(values[..., [4, 0, 2]], SCALE))
    with Image.open(tmp_path / "out" / "x.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), expected.argmax(axis=-1))


@pytest.mark.parametrize("name", ["x.tif", "x.npy"])
def test_values_whose_scale_nobody_says_are_refused(tmp_path, name):
    path = tmp_path / name
    if path.suffix == ".tif":
        write(path, numbers())
    else:
        np.save(path, numbers())
    with pytest.raises(
        DatasetError, match="values of int16, and brightness does not s"
    ):
        segmented(FourUnknown(), path, tmp_path / "out")


@pytest.mark.parametrize("name", ["x.tif", "x.npy"])
def test_too_few_bands_are_refused(tmp_path, name):
    path = tmp_path / name
    if path.suffix == ".tif":
        write(path, numbers(4))
    else:
        np.save(path, numbers(4))
    with pytest.raises(DatasetError, match="has 4"):
        segmented(ThreeOfFive(), path, tmp_path / "out")
