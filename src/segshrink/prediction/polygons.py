"""Outlines of the classes of a scene, as GeoJSON or GeoPackage."""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segshrink.data import IGNORE_INDEX
from segshrink.data.geotiff import gdal_errors, opened_scene, unreadable
from segshrink.errors import DatasetError, MissingExtraError, RunFolderError
from segshrink.prediction.scene_writing import require_space
from segshrink.prediction.scenes import pixel_m2
from segshrink.records import atomic_write

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

KINDS = ("geojson", "gpkg")

# Outlines are traced in squares of this side and written this many at a time, so that
# memory does not grow with the scene.
SQUARE_PX = 4096
_WRITTEN_TOGETHER = 10_000

# The longest straight line in GeoJSON, in pixels: a line that is straight on the
# scene's map is curved in longitude and latitude.
_LONGEST_LINE_PX = 256
# In this reference system longitude comes first.
_WGS84 = "OGC:CRS84"
# Decimal digits of a degree, which resolve a tenth of a millimetre.
_DIGITS = 9


@dataclass(frozen=True)
class _Outlines:
    """Some polygons in the scene's coordinates, and the class of each."""

    polygons: np.ndarray
    indices: np.ndarray


def require_vector_packages() -> None:
    """Check that the packages for polygons are installed.

    Raises:
        MissingExtraError: without pyogrio or Shapely.
    """
    try:
        import pyogrio  # noqa: F401
        import shapely  # noqa: F401
    except ImportError:
        raise MissingExtraError("Writing polygons", "geo") from None


def write_polygons(result: Path, path: Path, names: Sequence[str]) -> None:
    """Write the outlines of all classes of a segmented scene.

    Each polygon has the fields `class`, `index` and, where it is known, `area_m2`.
    Pixels without data have no outline. A region is cut where it crosses a multiple of
    4096 pixels, so that memory does not grow with the scene.

    Args:
        result: the file of classes, from `segment_scene`.
        path: `.geojson` for RFC 7946, in longitude and latitude of WGS 84; `.gpkg` for
            a GeoPackage in the scene's own coordinates.
        names: names of the classes.

    Raises:
        DatasetError: if the scene has no CRS, for GeoJSON.
        RunFolderError: if the file cannot be written.
    """
    write = _write_geojson if path.suffix == ".geojson" else _write_geopackage
    with opened_scene(result) as source:
        if path.suffix == ".geojson" and source.crs is None:
            raise DatasetError(
                f"{path}: cannot be written, since the scene has no coordinate "
                "reference system and GeoJSON is in longitude and latitude. Choose "
                "gpkg, or give the scene one with gdal_edit.py -a_srs EPSG:CODE and "
                f"delete {result}."
            )
        with atomic_write(path) as partial:
            write(source, partial, names, path.stem)


def _write_geojson(
    source: DatasetReader, path: Path, names: Sequence[str], layer: str
) -> None:
    import shapely

    with path.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        ending = "\n"
        for outlines in _outlines(source):
            # Outer rings run counterclockwise.
            on_globe = shapely.orient_polygons(_on_globe(source, outlines.polygons))
            geometries = shapely.to_geojson(on_globe)
            fields = _fields(source, outlines, names)
            columns = [column.tolist() for column in fields.values()]
            for geometry, *values in zip(geometries, *columns, strict=True):
                properties = dict(zip(fields, values, strict=True))
                file.write(
                    f'{ending}{{"type": "Feature", "properties": '
                    f"{json.dumps(properties, ensure_ascii=False)}, "
                    f'"geometry": {geometry}}}'
                )
                ending = ",\n"
        file.write("\n]}\n")


def _on_globe(source: DatasetReader, polygons: np.ndarray) -> np.ndarray:
    """Polygons in longitude and latitude; none reaches across the date line."""
    import shapely
    from rasterio.warp import transform, transform_geom

    def longitude_latitude(points: np.ndarray) -> np.ndarray:
        both = transform(source.crs, _WGS84, points[:, 0], points[:, 1])
        return np.round(np.stack(both[:2], axis=1), _DIGITS)

    longest = _LONGEST_LINE_PX * abs(source.transform.determinant) ** 0.5
    dense = shapely.segmentize(polygons, longest)
    on_globe = shapely.transform(dense, longitude_latitude)
    west, _, east, _ = shapely.bounds(on_globe).T
    for index in np.flatnonzero(east - west > 180):
        # Cutting at the date line takes a hundred times as long as the rest.
        outline = shapely.geometry.mapping(dense[index])
        cut = transform_geom(source.crs, _WGS84, outline, precision=_DIGITS)
        on_globe[index] = shapely.geometry.shape(cut)
    return on_globe


def _write_geopackage(
    source: DatasetReader, path: Path, names: Sequence[str], layer: str
) -> None:
    import shapely
    from pyogrio import raw

    crs = None if source.crs is None else source.crs.to_wkt()
    # The empty first chunk creates the layer even if there is no polygon at all.
    nothing = _Outlines(np.empty(0, object), np.empty(0, np.int32))
    for outlines in itertools.chain([nothing], _outlines(source)):
        fields = _fields(source, outlines, names)
        with warnings.catch_warnings():
            # A scene without a CRS is valid here.
            warnings.filterwarnings("ignore", "'crs' was not provided")
            shapes = shapely.to_wkb(outlines.polygons)
            # SQLite reports a full disk only as an unspecified failure.
            require_space(path, 2 * sum(map(len, shapes)))
            try:
                raw.write(
                    path,
                    shapes,
                    list(fields.values()),
                    list(fields),
                    layer=layer,
                    driver="GPKG",
                    geometry_type="Polygon",
                    crs=crs,
                    append=outlines is not nothing,
                )
            except RuntimeError as error:
                raise RunFolderError(
                    f"{path.parent}: {layer}.gpkg cannot be written there ({error}). "
                    "Make room or name another place; finished results are kept."
                ) from error


def _outlines(source: DatasetReader) -> Iterator[_Outlines]:
    """The polygons of a result, in chunks."""
    import shapely

    found = _shapes(source)
    while some := list(itertools.islice(found, _WRITTEN_TOGETHER)):
        yield _Outlines(
            np.array([shapely.geometry.shape(outline) for outline, _ in some], object),
            np.array([index for _, index in some], np.int32),
        )


def _shapes(source: DatasetReader) -> Iterator[tuple[Mapping[str, object], float]]:
    from rasterio.features import shapes
    from rasterio.windows import Window

    for row in range(0, source.height, SQUARE_PX):
        for column in range(0, source.width, SQUARE_PX):
            height = min(SQUARE_PX, source.height - row)
            width = min(SQUARE_PX, source.width - column)
            window = Window(column, row, width, height)
            try:
                labels = source.read(1, window=window)
                yield from shapes(
                    labels,
                    mask=labels != IGNORE_INDEX,
                    transform=source.window_transform(window),
                )
            except gdal_errors() as error:
                raise unreadable(Path(source.name), error) from error


def _fields(
    source: DatasetReader, outlines: _Outlines, names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Values of each polygon's fields."""
    import shapely

    fields = {
        "class": np.array([names[index] for index in outlines.indices], object),
        "index": outlines.indices,
    }
    area = pixel_m2(source)
    if area is not None:
        pixels = shapely.area(outlines.polygons) / abs(source.transform.determinant)
        # Rounded to whole pixels, since coordinates far from the origin are not exact.
        fields["area_m2"] = np.round(pixels) * area
    return fields
