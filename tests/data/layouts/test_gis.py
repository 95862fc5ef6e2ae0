import numpy as np
import pytest

rasterio = pytest.importorskip("rasterio")
shapely = pytest.importorskip("shapely")
pyogrio = pytest.importorskip("pyogrio")

from affine import Affine  # noqa: E402
from PIL import Image  # noqa: E402
from pyogrio import raw  # noqa: E402

from segshrink.data import open_dataset  # noqa: E402
from segshrink.data.layouts import find_layout  # noqa: E402
from segshrink.errors import DatasetError  # noqa: E402

from .drawing import inside_by_loop, outlines_of  # noqa: E402
from .scenes import (  # noqa: E402
    HEIGHT_PX,
    NAMES,
    TWO_PARTS,
    WIDTH_PX,
    assert_read,
    image_of,
    in_parts,
)

UTM, WGS84 = "EPSG:32633", "EPSG:4326"
SUFFIXES = (".gpkg", ".geojson", ".shp")


def place(number):
    """Pixels of 2 m; images lie side by side."""
    return Affine(2, 0, 400_000 + 100 * number, 0, -2, 5_500_000)


def save_scene(path, number, *, crs=UTM, transform=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "height": HEIGHT_PX, "width": WIDTH_PX, "count": 3}
    profile |= {"dtype": "uint8", "crs": crs}
    profile |= {"transform": transform or place(number)}
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.moveaxis(image_of(number), -1, 0))


def on_map(number):
    """(class name, polygon) of both rectangles, in metres."""
    for label, corners in outlines_of(number):
        yield NAMES[label], shapely.Polygon([place(number) @ each for each in corners])


def save_polygons(path, named, *, crs=UTM, to=None, column="class"):
    names, polygons = zip(*named, strict=True)
    if to is not None:

        def moved(points):
            xs, ys = rasterio.warp.transform(crs, to, *points.T)
            return np.stack([xs, ys], axis=1)

        polygons = [shapely.transform(each, moved) for each in polygons]
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = {each.geom_type for each in polygons}
    raw.write(
        path,
        shapely.to_wkb(np.array(polygons, object)),
        [np.array(names, object), np.arange(len(names))],
        [column, "id"],
        geometry_type=kinds.pop() if len(kinds) == 1 else "Unknown",
        crs=to or crs,
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("to", [None, WGS84])
def test_polygons_of_all_images(tmp_path, suffix, to):
    # GeoJSON is in longitude and latitude, whatever was drawn.
    to = WGS84 if suffix == ".geojson" else to
    named = []
    for part, number in in_parts(TWO_PARTS):
        save_scene(tmp_path / "images" / part / f"s{number}.tif", number)
        named += on_map(number)
    save_polygons(tmp_path / f"fields{suffix}", named, to=to, column="LABEL")
    dataset = open_dataset(tmp_path)
    assert dataset.train[0].name == "train/s0"
    assert_read(dataset, TWO_PARTS)


def test_polygons_of_each_image_and_part(tmp_path):
    for part, number in in_parts(TWO_PARTS):
        save_scene(tmp_path / part / f"s{number}.tif", number)
        if part == "train":
            path = tmp_path / part / f"s{number}.gpkg"
            save_polygons(path, on_map(number), column="anything")
    named = [each for number in TWO_PARTS["val"] for each in on_map(number)]
    # It covers the images of train as well, which have their own files or other parts.
    everywhere = shapely.box(399_000, 5_499_000, 400_350, 5_501_000)
    save_polygons(tmp_path / "val" / "all.shp", [("lake", everywhere), *named])
    assert_read(open_dataset(tmp_path), TWO_PARTS)


def test_holes_multipolygons_and_void(tmp_path):
    outer = [(5.2, 3.1), (30.7, 2.2), (33.4, 20.9), (4.1, 18.3)]
    hole = [(10.3, 6.7), (20.1, 7.2), (15.6, 14.4)]
    other = [(34.5, 1.5), (39.5, 1.5), (39.5, 9.5)]
    void = [(0, 21), (40, 21), (40, 24), (0, 24)]
    # A rotated image.
    transform = Affine.translation(400_000, 5_500_000) @ Affine.rotation(30)
    transform = transform @ Affine.scale(0.5, -0.5)
    moved = [[transform @ p for p in ring] for ring in (outer, hole, other, void)]
    named = [
        (
            "field",
            shapely.MultiPolygon(
                [shapely.Polygon(moved[0], [moved[1]]), shapely.Polygon(moved[2])]
            ),
        ),
        (None, shapely.MultiPolygon([shapely.Polygon(moved[3])])),
    ]
    save_scene(tmp_path / "a.tif", 0, transform=transform)
    save_polygons(tmp_path / "polygons.gpkg", named)
    layout = find_layout(tmp_path)
    assert layout.faults == ()
    assert "Polygons without a class are void" in layout.notices[0]
    expected = inside_by_loop(HEIGHT_PX, WIDTH_PX, [outer, hole]).astype(int)
    expected |= inside_by_loop(HEIGHT_PX, WIDTH_PX, [other])
    expected[inside_by_loop(HEIGHT_PX, WIDTH_PX, [void])] = 255
    np.testing.assert_array_equal(layout.pairs[0].mask.draw(), expected)


def test_as_rasterio_rasterizes(tmp_path):
    from rasterio.features import rasterize

    generator = np.random.default_rng(0)
    angles = np.sort(generator.uniform(0, 2 * np.pi, 30))
    radii = generator.uniform(4, 14, 30)[:, np.newaxis]
    corners = radii * np.stack([np.cos(angles), np.sin(angles)], 1) + (20, 12)
    polygon = shapely.Polygon([place(0) @ each for each in corners])
    save_scene(tmp_path / "a.tif", 0)
    save_polygons(tmp_path / "polygons.gpkg", [("x", polygon)])
    expected = rasterize([polygon], (HEIGHT_PX, WIDTH_PX), transform=place(0))
    np.testing.assert_array_equal(find_layout(tmp_path).pairs[0].mask.draw(), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda root: save_polygons(
                root / "p.gpkg", [("x", shapely.box(0, 0, 1, 1))], crs=UTM
            ),
            "no polygon lies on any image",
        ),
        (
            lambda root: (root / "p.geojson").write_text("{"),
            r"p\.geojson: cannot be read",
        ),
        (
            lambda root: save_scene(root / "b.tif", 1, crs=None),
            r"b\.tif: has no reference system",
        ),
    ],
)
def test_faults(tmp_path, change, message):
    save_scene(tmp_path / "a.tif", 0)
    change(tmp_path)
    if not (tmp_path / "p.gpkg").exists():
        save_polygons(tmp_path / "q.gpkg", on_map(0))
    with pytest.raises(DatasetError, match=message):
        open_dataset(tmp_path)


def test_columns_that_may_be_the_class_are_listed(tmp_path):
    save_scene(tmp_path / "a.tif", 0)
    raw.write(
        tmp_path / "p.gpkg",
        shapely.to_wkb(np.array([shapely.box(0, 0, 1, 1)], object)),
        [np.array(["x"], object), np.array(["y"], object)],
        ["one", "two"],
        geometry_type="Polygon",
        crs=UTM,
    )
    with pytest.raises(DatasetError, match=r"columns are one, two\. Call the one"):
        open_dataset(tmp_path)


def test_a_file_without_reference_system(tmp_path):
    save_scene(tmp_path / "a.tif", 0)
    save_polygons(tmp_path / "p.shp", on_map(0))
    (tmp_path / "p.prj").unlink()
    with pytest.raises(DatasetError, match=r"p\.shp: has no reference system"):
        open_dataset(tmp_path)


def test_images_without_a_georeference_are_told(tmp_path):
    save_scene(tmp_path / "a.tif", 0)
    save_polygons(tmp_path / "p.gpkg", on_map(0))
    Image.fromarray(image_of(1)).save(tmp_path / "b.tif")
    layout = find_layout(tmp_path)
    assert [pair.name for pair in layout.pairs] == ["a"]
    assert layout.notices == (
        "Images without a georeference are left out (1 time, first in b.tif).",
    )
