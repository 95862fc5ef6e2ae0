"""Outlines of classes, compared with the classes themselves."""

import json

import numpy as np
import pytest

from segshrink.errors import DatasetError, RunFolderError

rasterio = pytest.importorskip("rasterio")
pyogrio = pytest.importorskip("pyogrio")
shapely = pytest.importorskip("shapely")

from rasterio.features import rasterize  # noqa: E402
from rasterio.transform import Affine, from_origin  # noqa: E402
from rasterio.warp import transform  # noqa: E402

from segshrink.prediction import polygons  # noqa: E402
from segshrink.prediction.polygons import write_polygons  # noqa: E402

from .geotiffs import HALF_METRE, write_scene  # noqa: E402

NAMES = ["Gräser", 'so-called "water"', "road"]


def result(path, labels, **options):
    """The parts of a scene's result that polygons need."""
    return write_scene(path, labels[..., None], nodata=255, **options)


def blotched(height, width, seed=0):
    """Classes in blocks, noise among them, corners that touch, and void pixels."""
    generator = np.random.default_rng(seed)
    blocks = generator.integers(0, 3, (height // 5 + 1, width // 5 + 1))
    labels = np.kron(blocks, np.ones((5, 5)))[:height, :width].astype(np.uint8)
    labels[generator.random(labels.shape) < 0.1] = 1
    labels[generator.random(labels.shape) < 0.05] = 255
    return labels


def read_geojson(path):
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in features]
    return [feature["properties"] for feature in features], np.array(shapes, object)


def read_geopackage(path):
    meta, _, wkb, fields = pyogrio.raw.read(path)
    columns = dict(zip(meta["fields"], (list(x) for x in fields), strict=True))
    rows = [
        dict(zip(columns, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]
    return rows, shapely.from_wkb(wkb), meta


@pytest.fixture(params=[4096, 16])
def square_px(request, monkeypatch):
    monkeypatch.setattr(polygons, "SQUARE_PX", request.param)
    monkeypatch.setattr(polygons, "_WRITTEN_TOGETHER", 7)
    return request.param


def test_geopackage_covers_the_very_pixels(tmp_path, square_px):
    labels = blotched(40, 50)
    path = tmp_path / "a.gpkg"
    write_polygons(result(tmp_path / "a.tif", labels), path, NAMES)
    rows, shapes, meta = read_geopackage(path)
    assert meta["crs"] == "EPSG:25832"
    assert shapely.is_valid(shapes).all()
    assert shapely.get_type_id(shapes).tolist() == [3] * len(shapes)
    indices = np.array([row["index"] for row in rows])
    assert [row["class"] for row in rows] == [NAMES[index] for index in indices]
    areas = np.array([row["area_m2"] for row in rows])
    np.testing.assert_allclose(areas, shapely.area(shapes), rtol=1e-6)
    for index in range(3):
        assert areas[indices == index].sum() == 0.25 * (labels == index).sum()
    # Burnt into a raster again they give the classes; nothing overlaps.
    burnt = rasterize(
        zip(shapes, indices.tolist(), strict=True),
        labels.shape,
        fill=255,
        transform=HALF_METRE,
        dtype="uint8",
    )
    np.testing.assert_array_equal(burnt, labels)


def test_geojson_follows_the_standard(tmp_path, square_px):
    labels = blotched(40, 50)
    path = tmp_path / "a.geojson"
    write_polygons(result(tmp_path / "a.tif", labels), path, NAMES)
    rows, shapes = read_geojson(path)
    assert shapely.is_valid(shapes).all()
    assert all(shape.exterior.is_ccw for shape in shapes)
    assert not any(ring.is_ccw for shape in shapes for ring in shape.interiors)
    west, south, east, north = shapely.total_bounds(shapes)
    assert 7 < west < east < 8 and 49 < south < north < 50
    indices = np.array([row["index"] for row in rows])
    areas = np.array([row["area_m2"] for row in rows])
    assert [row["class"] for row in rows] == [NAMES[index] for index in indices]

    def back(points):
        found = transform("OGC:CRS84", "EPSG:25832", points[:, 0], points[:, 1])
        return np.stack(found, axis=1)

    on_map = shapely.transform(shapes, back)
    for index in range(3):
        expected = 0.25 * (labels == index).sum()
        assert areas[indices == index].sum() == expected
        assert shapely.area(on_map[indices == index]).sum() == pytest.approx(
            expected, rel=1e-3
        )
    # Another reader of the format agrees.
    info = pyogrio.read_info(path)
    assert (info["features"], info["crs"]) == (len(rows), "EPSG:4326")


def test_long_lines_bend_with_the_map(tmp_path):
    # 2000 km of a polar map; the middle of the northern border lies off the chord.
    labels = np.zeros((1000, 1000), np.uint8)
    place = from_origin(-1_000_000, 3_000_000, 2000, 2000)
    source = result(tmp_path / "a.tif", labels, crs="EPSG:3413", transform=place)
    write_polygons(source, tmp_path / "a.geojson", NAMES)
    _, (shape,) = read_geojson(tmp_path / "a.geojson")
    assert len(shape.exterior.coords) == 1 + 4 * 4
    middle = transform("EPSG:3413", "OGC:CRS84", [0], [3_000_000])
    assert shape.exterior.distance(shapely.Point(*np.ravel(middle))) < 1e-6


def test_a_region_across_the_date_line_is_cut_there(tmp_path):
    labels = np.zeros((10, 10), np.uint8)
    # The Mercator map of the Pacific has its middle at 150 degrees east.
    [x], [y] = transform("OGC:CRS84", "EPSG:3832", [179.9], [-16])
    place = from_origin(x, y, 2000, 2000)
    source = result(tmp_path / "a.tif", labels, crs="EPSG:3832", transform=place)
    write_polygons(source, tmp_path / "a.geojson", NAMES)
    [row], [shape] = read_geojson(tmp_path / "a.geojson")
    assert shape.geom_type == "MultiPolygon"
    bounds = sorted(part.bounds for part in shape.geoms)
    assert bounds[0][0] == -180 and bounds[0][2] < -179.8
    assert bounds[1][0] == pytest.approx(179.9) and bounds[1][2] == 180
    assert row["area_m2"] == 100 * 2000**2


@pytest.mark.parametrize("kind", ["geojson", "gpkg"])
def test_a_scene_without_data_has_no_polygons(tmp_path, kind):
    labels = np.full((10, 20), 255, np.uint8)
    path = tmp_path / f"a.{kind}"
    write_polygons(result(tmp_path / "a.tif", labels), path, NAMES)
    info = pyogrio.read_info(path)
    assert info["features"] == 0
    if kind == "gpkg":
        assert list(info["fields"]) == ["class", "index", "area_m2"]
        assert info["geometry_type"] == "Polygon"


def test_without_a_crs_there_is_a_geopackage_only(tmp_path):
    labels = blotched(10, 20)
    source = result(tmp_path / "a.tif", labels, crs=None)
    with pytest.raises(DatasetError) as caught:
        write_polygons(source, tmp_path / "a.geojson", NAMES)
    assert "the scene has no coordinate reference system" in str(caught.value)
    assert "gdal_edit.py -a_srs" in str(caught.value)
    assert not (tmp_path / "a.geojson").exists()
    write_polygons(source, tmp_path / "a.gpkg", NAMES)
    rows, shapes, meta = read_geopackage(tmp_path / "a.gpkg")
    assert "area_m2" not in rows[0]
    assert shapely.area(shapes).sum() == 0.25 * (labels != 255).sum()
    assert meta["crs"] is None or "Undefined" in meta["crs"]


def test_degrees_have_no_square_metres(tmp_path):
    source = result(
        tmp_path / "a.tif", blotched(10, 20), crs="EPSG:4326",
        transform=Affine.translation(8, 50) @ Affine.scale(1e-5, -1e-5),
    )  # fmt: skip
    write_polygons(source, tmp_path / "a.geojson", NAMES)
    rows, shapes = read_geojson(tmp_path / "a.geojson")
    assert set(rows[0]) == {"class", "index"}
    np.testing.assert_allclose(shapely.total_bounds(shapes), (8, 49.9999, 8.0002, 50))


@pytest.mark.parametrize("kind", ["geojson", "gpkg"])
def test_a_full_disk_leaves_no_partial_file(tmp_path, small_disk, kind):
    source = result(tmp_path / "a.tif", blotched(300, 300))
    disk = small_disk(150_000)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_polygons(source, disk / f"a.{kind}", NAMES)
    assert str(disk) in caught.value.filename
    assert list(disk.iterdir()) == []


def test_a_disk_that_another_process_fills_is_noticed(
    tmp_path, small_disk, monkeypatch
):
    monkeypatch.setattr(polygons, "require_space", lambda *_: None)
    source = result(tmp_path / "a.tif", blotched(300, 300))
    disk = small_disk(300_000)
    with pytest.raises(RunFolderError, match="a.gpkg cannot be written there"):
        write_polygons(source, disk / "a.gpkg", NAMES)
    assert list(disk.iterdir()) == []
