"""Segmenting one photograph."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segshrink.errors import DatasetError
from segshrink.prediction import Photo, legend, segment_file
from segshrink.records.measurement import ClassColor
from segshrink.records.metadata import FileMetadata

from .pictures import BrightnessArtifact, stripes


@pytest.fixture
def striped(tmp_path):
    path = stripes(tmp_path / "a picture.v2.png")
    return Photo(path, Path("a picture.v2"))


def test_mask_holds_class_indices_and_a_palette(striped, tmp_path):
    out = tmp_path / "new" / "out"
    areas = segment_file(BrightnessArtifact(), striped, out)
    assert areas.pixels.tolist() == [200, 400, 0]
    assert areas.pixel_m2 is None
    mask = striped.mask(out)
    assert mask == out / "a picture.v2.png"
    with Image.open(mask) as picture:
        expected = np.zeros((20, 30), np.uint8)
        expected[:, 10:] = 1
        np.testing.assert_array_equal(np.asarray(picture), expected)
        colors = np.asarray(picture.convert("RGB"))
    assert len(np.unique(colors.reshape(-1, 3), axis=0)) == 2


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_results_lie_as_viewers_show_the_photo(striped, tmp_path, suffix):
    with Image.open(striped.path) as picture:
        upright = np.asarray(picture.convert("RGB"))
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / f"photo.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(np.rot90(upright).copy()).save(path, exif=exif, **options)
    photo = Photo(path, Path("photo"))
    segment_file(BrightnessArtifact(), photo, tmp_path)
    expected = np.zeros((20, 30), np.uint8)
    expected[:, 10:] = 1
    for result in (photo.mask(tmp_path), photo.overlay(tmp_path)):
        with Image.open(result) as picture:
            assert picture.size == (30, 20)
            assert not dict(picture.getexif())
            if result == photo.mask(tmp_path):
                np.testing.assert_array_equal(np.asarray(picture), expected)


def test_overlay_lies_between_image_and_class_colour(striped, tmp_path):
    segment_file(BrightnessArtifact(), striped, tmp_path / "out")
    overlay = np.asarray(Image.open(tmp_path / "out" / "a picture.v2-overlay.png"))
    image = np.asarray(Image.open(striped.path)).astype(float)
    mask = striped.mask(tmp_path / "out")
    colors = np.asarray(Image.open(mask).convert("RGB")).astype(float)
    np.testing.assert_allclose(overlay, 0.55 * image + 0.45 * colors, atol=1)


def test_names_and_colours_are_those_of_the_file(striped, tmp_path):
    artifact = BrightnessArtifact()
    artifact.metadata = FileMetadata(
        classes=[
            ClassColor(name=name, color=(10 * i, 0, 255))
            for i, name in enumerate("abc")
        ]
    )
    assert legend(artifact)[1] == ("b", (10, 0, 255))
    segment_file(artifact, striped, tmp_path / "out")
    painted = Image.open(striped.mask(tmp_path / "out")).convert("RGB")
    assert painted.getpixel((0, 0)) == (0, 0, 255)
    assert painted.getpixel((29, 0)) == (10, 0, 255)


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (16, 16)])
def test_any_size_comes_out_at_its_own_size(tmp_path, size):
    path = tmp_path / "x.png"
    Image.new("RGB", size).save(path)
    photo = Photo(path, Path("x"))
    segment_file(BrightnessArtifact(), photo, tmp_path / "out")
    assert Image.open(photo.mask(tmp_path / "out")).size == size


def test_damaged_image_leaves_nothing(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"torn")
    with pytest.raises(DatasetError, match="x.png"):
        segment_file(BrightnessArtifact(), Photo(path, Path("x")), tmp_path / "out")
    assert not (tmp_path / "out").exists()
