"""The confidence of photographs and scenes, against a softmax of their logits."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.special import softmax

from segshrink.errors import UsageError
from segshrink.prediction import find_photos, segment_file, segment_files
from segshrink.runtimes import confidence_of, predict_image
from segshrink.runtimes.artifact import Signature
from segshrink.runtimes.outputs import OutputKind

from .pictures import BrightnessArtifact, stripes


class Unsure(BrightnessArtifact):
    """Logits close to each other, which differ from place to place."""

    def predict(self, images):
        return 0.01 * images.astype(np.float32)


def segmented(path, out):
    (photo,) = find_photos([path], out)
    photo = replace(photo, has_confidence=True)
    segment_file(Unsure(), photo, out)
    return photo


def expected_of(image):
    shares = softmax(predict_image(Unsure(), image).astype(np.float64), axis=-1)
    return 255 * shares.max(axis=-1)


def test_a_photograph_gets_a_grey_picture(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    path = tmp_path / "x.png"
    Image.fromarray(image).save(path)
    photo = segmented(path, tmp_path / "out")
    assert photo.confidence(tmp_path / "out").name == "x-confidence.png"
    with Image.open(photo.confidence(tmp_path / "out")) as picture:
        assert picture.mode == "L"
        found = np.asarray(picture).astype(float)
    assert np.abs(found - expected_of(image)).max() <= 0.51


def test_a_scene_gets_a_band_with_its_place_and_scale(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    image = np.random.default_rng(1).integers(1, 256, (3, 70, 90), dtype=np.uint8)
    image[:, 60:, :40] = 0
    path, place = tmp_path / "x.tif", rasterio.Affine(10, 0, 500000, 0, -10, 5000000)
    with rasterio.open(
        path, "w", driver="GTiff", height=70, width=90, count=3, dtype="uint8",
        crs="EPSG:32632", nodata=0, transform=place,
    ) as target:  # fmt: skip
        target.write(image)
    photo = segmented(path, tmp_path / "out")
    with (
        rasterio.open(photo.confidence(tmp_path / "out")) as found,
        rasterio.open(photo.mask(tmp_path / "out")) as classes,
    ):
        assert found.transform == classes.transform == place
        assert found.scales == pytest.approx((1 / 255,))
        assert found.nodata == 0
        values, labels = found.read(1), classes.read(1)
    np.testing.assert_array_equal(values == 0, labels == 255)
    has_data = labels != 255
    expected = expected_of(np.moveaxis(image, 0, -1))
    assert np.abs(values - expected)[has_data].max() <= 0.51


def test_results_without_it_are_made_again(tmp_path):
    path, out = stripes(tmp_path / "x.png"), tmp_path / "out"
    photos = find_photos([path], out)
    artifact = Unsure()
    artifact.path = tmp_path / "m.tflite"
    artifact.path.write_bytes(b"model")
    artifact.signature = Signature((16, 16), 3, 3, False, False)
    segment_files(artifact, photos, out)
    assert segment_files(artifact, photos, out).kept == 1
    wanted = [replace(each, has_confidence=True) for each in photos]
    assert segment_files(artifact, wanted, out).done == 1
    assert segment_files(artifact, wanted, out).kept == 1
    artifact.signature = replace(artifact.signature, output=OutputKind.CLASSES)
    with pytest.raises(UsageError, match="alone, but --confidence needs"):
        segment_files(artifact, wanted, out)


def test_confidence_of_an_earlier_image_does_not_stay(tmp_path):
    path, out = stripes(tmp_path / "x.png"), tmp_path / "out"
    artifact = Unsure()
    artifact.path = tmp_path / "m.tflite"
    artifact.path.write_bytes(b"model")
    photos = find_photos([path], out)
    wanted = [replace(each, has_confidence=True) for each in photos]
    segment_files(artifact, wanted, out)
    stripes(path, dark=3, size=(40, 50))
    assert segment_files(artifact, photos, out).done == 1
    assert not wanted[0].confidence(out).exists()
    assert segment_files(artifact, wanted, out).done == 1
    with Image.open(wanted[0].confidence(out)) as picture:
        assert picture.size == (50, 40)


def test_certain_pixels_are_255_and_undecided_ones_a_share():
    logits = np.array([[[90.0, 0, 0], [1.0, 1, 1]]], np.float32)
    assert confidence_of(logits).tolist() == [[255, 85]]
