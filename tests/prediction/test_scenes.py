"""Scenes predicted by windows, compared with the whole image at once."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segshrink.errors import DatasetError
from segshrink.prediction import Photo, legend, segment_file
from segshrink.records.measurement import ClassColor
from segshrink.records.metadata import FileMetadata
from segshrink.runtimes import predict_image

from .pictures import BrightnessArtifact, ByPlaceArtifact, blotches, noise

rasterio = pytest.importorskip("rasterio")

from rasterio.control import GroundControlPoint  # noqa: E402
from rasterio.enums import ColorInterp as Color  # noqa: E402
from rasterio.transform import Affine  # noqa: E402

from segshrink.prediction import scene_reading, scenes  # noqa: E402

from .geotiffs import HALF_METRE, read_classes, write_scene  # noqa: E402


@pytest.fixture
def predicted(tmp_path):
    """Predicts a scene of the pixels; gives the areas and the path of the result."""

    def predict(pixels, artifact=None, **options):
        path = write_scene(tmp_path / "a scene.v2.tif", pixels, **options)
        photo = Photo(path, Path("a scene.v2"), is_scene=True)
        areas = segment_file(artifact or BrightnessArtifact(), photo, tmp_path / "out")
        assert {each.name for each in (tmp_path / "out").iterdir()} == {
            "a scene.v2.tif",
            "a scene.v2-overlay.png",
        }
        return areas, tmp_path / "out" / "a scene.v2.tif"

    return predict


def whole(pixels, artifact=None):
    logits = predict_image(artifact or ByPlaceArtifact(), pixels)
    return logits.argmax(axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 60), (60, 1), (5, 40), (16, 16), (17, 16), (70, 200), (90, 33)]
)
@pytest.mark.parametrize(
    "layout", [{}, {"tiled": True, "blockxsize": 16, "blockysize": 32}]
)
def test_classes_are_those_of_the_whole_image(monkeypatch, predicted, size, layout):
    # Several swaths, a bound on the tiles that wait, and pieces of odd heights.
    monkeypatch.setattr(scene_reading, "SWATH_PX", 48)
    monkeypatch.setattr(scene_reading, "_MOST_BAND_BYTES", 0)
    monkeypatch.setattr(scenes, "_HELD_BYTES", 20_000)
    pixels = noise(*size, seed=size[0])
    areas, result = predicted(pixels, ByPlaceArtifact(), compress="deflate", **layout)
    expected = whole(pixels)
    np.testing.assert_array_equal(read_classes(result), expected)
    assert areas.pixels.tolist() == np.bincount(expected.ravel(), minlength=3).tolist()
    assert areas.pixel_m2 == 0.25


@pytest.mark.parametrize("height", [5, 16, 40])
@pytest.mark.parametrize("width", [60, 200])
def test_pixels_without_data_are_void_in_every_swath(
    monkeypatch, predicted, height, width
):
    monkeypatch.setattr(scene_reading, "SWATH_PX", 48)
    monkeypatch.setattr(scene_reading, "_MOST_BAND_BYTES", 0)
    pixels = np.maximum(noise(height, width), 1)
    pixels[:2] = pixels[:, 40:52] = pixels[:, -20:] = 0
    _, result = predicted(pixels, ByPlaceArtifact(), nodata=0)
    expected = whole(pixels)
    expected[(pixels == 0).all(axis=-1)] = 255
    np.testing.assert_array_equal(read_classes(result), expected)


def test_the_result_lies_where_the_scene_does(predicted):
    artifact = BrightnessArtifact()
    artifact.metadata = FileMetadata(
        classes=[
            ClassColor(name=name, color=(10 * i, 0, 255))
            for i, name in enumerate(("Gräser", "Water", "Road"))
        ]
    )
    _, result = predicted(noise(700, 1300), artifact, compress="lzw")
    with rasterio.open(result) as source:
        assert source.crs.to_epsg() == 25832
        assert source.transform == HALF_METRE
        assert (source.count, source.dtypes, source.nodata) == (1, ("uint8",), 255)
        assert source.colormap(1)[1] == (10, 0, 255, 255)
        assert source.colorinterp == (Color.palette,)
        names = [source.tags(1)[f"CLASS_{i}"] for i in range(3)]
        assert names == ["Gräser", "Water", "Road"]
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert source.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == "DEFLATE"
        assert source.block_shapes == [(512, 512)]
        assert source.overviews(1) == [2, 4]
        small = source.read(1, out_shape=(350, 650))
        # Of classes nothing in between is made up.
        np.testing.assert_array_equal(small, source.read(1)[::2, ::2])
    # Pillow, which knows nothing of GeoTIFF, sees class indices with a palette too.
    with Image.open(result) as picture:
        assert picture.mode == "P"
        assert picture.getpixel((0, 0)) in (0, 1, 2)


def test_the_overlay_lies_between_image_and_class_colour(predicted):
    pixels = blotches(40, 50)
    _, result = predicted(pixels)
    colors = np.array([color for _, color in legend(BrightnessArtifact())])
    overlay = np.asarray(Image.open(result.with_name("a scene.v2-overlay.png")))
    expected = 0.55 * pixels + 0.45 * colors[read_classes(result)]
    np.testing.assert_allclose(overlay, expected, atol=1)


def test_the_overlay_of_a_large_scene_is_small(predicted):
    pixels = np.full((20, 5000, 3), 200, np.uint8)
    pixels[:, 2500:] = (0, 0, 100)
    predicted_overlay = predicted(pixels)[1].with_name("a scene.v2-overlay.png")
    overlay = np.asarray(Image.open(predicted_overlay)).astype(int)
    assert overlay.shape == (8, 2048, 3)
    colors = [color for _, color in legend(BrightnessArtifact())]
    for columns, color, index in (
        (slice(None, 1023), 200, 1),
        (slice(1025, None), (0, 0, 100), 0),
    ):
        expected = 0.55 * np.array(color) + 0.45 * np.array(colors[index])
        np.testing.assert_allclose(
            overlay[:, columns], np.broadcast_to(expected, (8, 1023, 3)), atol=1
        )


def without_data(kind, empty, pixels):
    """The scene's pixels and options, whose `empty` pixels hold no data."""
    if kind == "nodata":
        pixels = np.maximum(pixels, 1)
        pixels[empty] = 0
        return pixels, {"nodata": 0}
    if kind == "alpha":
        alpha = np.where(empty, 0, 200).astype(np.uint8)[..., None]
        colors = [Color.red, Color.green, Color.blue, Color.alpha]
        return np.concatenate([pixels, alpha], axis=-1), {"colorinterp": colors}
    return pixels, {"mask": ~empty}


@pytest.mark.parametrize("kind", ["nodata", "alpha", "mask"])
def test_pixels_without_data_have_no_class(monkeypatch, predicted, kind):
    monkeypatch.setattr(scene_reading, "SWATH_PX", 64)
    monkeypatch.setattr(scene_reading, "_MOST_BAND_BYTES", 0)
    # A slanted border as of a turned orthophoto, a hole and a lonely pixel.
    rows, columns = np.indices((100, 150))
    empty = (rows + columns < 90) | (columns > 140)
    empty[60:63, 100:105] = True
    empty[10, 20] = False
    pixels, options = without_data(kind, empty, noise(100, 150))
    artifact = ByPlaceArtifact()
    areas, result = predicted(pixels, artifact, **options)
    expected = whole(pixels[..., :3])
    expected[empty] = 255
    np.testing.assert_array_equal(read_classes(result), expected)
    counts = np.bincount(expected[~empty], minlength=3)
    assert areas.pixels.tolist() == counts.tolist()
    # Tiles without any data are not predicted.
    needed = 0
    for first, last in ((0, 64), (64, 128), (128, 150)):
        for left in np.linspace(0, 134, math.ceil(134 / 12) + 1).astype(int):
            if left < last and left + 16 > first:
                for top in np.linspace(0, 84, 8).astype(int):
                    needed += not empty[top : top + 16, left : left + 16].all()
    assert artifact.calls == needed
    assert needed < 8 * 13


def test_a_scene_without_any_data_has_no_areas(predicted):
    artifact = BrightnessArtifact()
    areas, result = predicted(np.zeros((40, 50, 3), np.uint8), artifact, nodata=0)
    assert artifact.calls == 0
    assert areas.pixels.tolist() == [0, 0, 0]
    assert (read_classes(result) == 255).all()


def test_bands_reach_the_model_by_their_colours(predicted):
    pixels = blotches(30, 40)
    colors = [Color.blue, Color.green, Color.red]
    _, result = predicted(pixels[..., ::-1], ByPlaceArtifact(), colorinterp=colors)
    np.testing.assert_array_equal(read_classes(result), whole(pixels))


def test_grey_is_used_for_all_three_colours(predicted):
    grey = blotches(30, 40)[..., :1]
    _, result = predicted(grey, ByPlaceArtifact())
    np.testing.assert_array_equal(read_classes(result), whole(grey.repeat(3, axis=2)))


@pytest.mark.parametrize(
    ("crs", "transform", "expected"),
    [
        ("EPSG:25832", HALF_METRE, 0.25),
        # Turned by 30 degrees: 2 m x 3 m all the same.
        ("EPSG:25832", Affine.rotation(30) @ Affine.scale(2, -3), 6.0),
        # Feet of the United States' surveys: 1200 / 3937 m.
        ("EPSG:2263", Affine.scale(1, -1), (1200 / 3937) ** 2),
        ("EPSG:4326", Affine.scale(1e-5, -1e-5), None),
        (None, HALF_METRE, None),
    ],
)
def test_square_metres_of_a_pixel(predicted, crs, transform, expected):
    areas, result = predicted(noise(3, 4), crs=crs, transform=transform)
    assert areas.pixel_m2 == (None if expected is None else pytest.approx(expected))
    with rasterio.open(result) as source:
        assert source.transform.almost_equals(transform)


def test_ground_control_points_go_with_the_classes(predicted):
    points = [
        GroundControlPoint(row, column, 400_000 + 2 * column, 5_500_000 - 2 * row)
        for row, column in ((0, 0), (0, 40), (30, 0))
    ]
    areas, result = predicted(noise(30, 40), gcps=points, transform=None)
    with rasterio.open(result) as source:
        found, crs = source.gcps
    assert crs.to_epsg() == 25832
    assert [(p.row, p.col, p.x, p.y) for p in found] == [
        (p.row, p.col, p.x, p.y) for p in points
    ]
    assert areas.pixel_m2 is None


def test_areas_are_read_from_the_result_alone(predicted):
    areas, result = predicted(noise(600, 700))
    state = Photo(result.parents[1] / "a scene.v2.tif", Path("x")).state()
    found = scenes.areas_of_scene(result, 3, state)
    assert found.pixels.tolist() == areas.pixels.tolist()
    assert found.pixel_m2 == 0.25
    assert scenes.areas_of_scene(result, 4, state) is None
    assert scenes.areas_of_scene(result, 3, "of another scene") is None
    content = result.read_bytes()
    for length in (0, 100, len(content) // 2, len(content) - 100):
        result.write_bytes(content[:length])
        assert scenes.areas_of_scene(result, 3, state) is None, length
    assert scenes.areas_of_scene(write_scene(result, noise(4, 4)), 3, state) is None


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_a_truncated_scene_leaves_nothing(tmp_path, kept):
    path = write_scene(tmp_path / "a.tif", noise(200, 300), compress="deflate")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    photo = Photo(path, Path("a"), is_scene=True)
    with pytest.raises(DatasetError, match="a.tif: cannot be read"):
        segment_file(BrightnessArtifact(), photo, tmp_path / "out")
    assert list((tmp_path / "out").glob("*")) == []


def test_tiles_are_reported_while_they_are_predicted(tmp_path):
    path = write_scene(tmp_path / "a.tif", noise(60, 70))
    photo, told = Photo(path, Path("a"), is_scene=True), []
    artifact = BrightnessArtifact()
    segment_file(artifact, photo, tmp_path / "out", on_tiles=told.append)
    assert sum(told) == artifact.calls == 5 * 6
    assert scenes.count_scene_tiles(path, artifact) == sum(told)
    assert max(told) == 1
