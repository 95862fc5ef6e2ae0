"""GIS: georeferenced images, and polygons of classes in files of vectors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segshrink.data.geotiff import is_georeferenced, opened_scene
from segshrink.data.layouts.annotation_files import part_of_file, shown
from segshrink.data.layouts.findings import VOID, ClassCodes, Findings, class_codes
from segshrink.data.layouts.folders import holds_masks
from segshrink.data.layouts.layout import Layout
from segshrink.data.outlines import FARTHEST_PX, Points
from segshrink.data.shapes import Outline, ShapesMask
from segshrink.data.walking import files_of, folders_below, image_files
from segshrink.errors import DatasetError, MissingExtraError

if TYPE_CHECKING:
    from affine import Affine

NAME = "gis"
SIGNS = ("**/*.gpkg|**/*.geojson|**/*.shp", "**/*.tif|**/*.tiff")
TREE = """\
DATA/
  polygons.gpkg         or .geojson, .shp; a column called class, label, name, type or
                        so, or the only one of text, names the class of each polygon
  images/a.tif          georeferenced; may lie in train, val and test

DATA/                   a file of polygons for each image, by its name
  a.tif
  a.geojson
"""

_SUFFIXES = (".gpkg", ".geojson", ".shp")
CLASS_COLUMNS = (
    "class",
    "class_name",
    "classname",
    "label",
    "category",
    "klass",
    "type",
    "name",
    "class_id",
    "landcover",
    "land_cover",
    "landuse",
    "code",
)


def read(root: Path) -> Layout | None:
    """Draw the polygons on each image; None without files of vectors and scenes.

    Polygons are transformed to the reference system of each image, corner by corner,
    and hold the pixels whose centres lie inside, holes left out. Later polygons cover
    earlier ones. A file that is called as an image holds that image's polygons only;
    one in a folder of a part, or with a part in its name, those of the part. Polygons
    without a class are void.

    Raises:
        MissingExtraError: without the packages of the extra `geo`.
    """
    files = [
        path for folder in folders_below(root) for path in files_of(folder, _SUFFIXES)
    ]
    # Masks in files say more of each pixel than outlines that lie beside them.
    if not files or any(map(holds_masks, folders_below(root))):
        return None
    candidates = [
        path
        for folder in folders_below(root)
        for path in image_files(folder)
        if path.suffix.lower() in (".tif", ".tiff")
    ]
    images = [path for path in candidates if is_georeferenced(path)]
    if not images:
        return None
    _require_packages()
    findings = Findings(root, NAME)
    layers = [layer for path in files for layer in _layers(path, root, findings)]
    names = sorted({x for layer in layers for x in layer.classes if x is not None})
    if not names and not findings.faults:
        raise DatasetError(f"{root}: no polygon in it has a class. Give them classes.")
    classes = class_codes(names, str(root))
    reader = _Reader(root, layers, classes, findings)
    known = set(images)
    for path in candidates:
        if path not in known:
            text = "Images without a georeference are left out"
            findings.notice(text, shown(path, root))
    stems = {path.stem for path in images}
    for image in images:
        reader.read(image, stems)
    if not reader.drawn and not findings.faults:
        raise DatasetError(
            f"{root}: no polygon lies on any image. Check the reference systems of "
            f"{' and '.join(layer.where for layer in layers)}."
        )
    return findings.layout(classes, " and ".join(layer.where for layer in layers))


def _require_packages() -> None:
    try:
        import pyogrio  # noqa: F401
        import rasterio  # noqa: F401
        import shapely  # noqa: F401
    except ImportError:
        raise MissingExtraError("Reading polygons of GIS", "geo") from None


@dataclass(frozen=True)
class _Layer:
    """Polygons of a file.

    Attributes:
        path: the file.
        where: its name in messages, with the layer's if there are several.
        part: the part of a split that its name says.
        crs: their reference system.
        polygons: Shapely's polygons, single ones.
        classes: the class of each; None if it has none.
    """

    path: Path
    where: str
    part: str | None
    crs: str
    polygons: npt.NDArray[np.object_]
    classes: tuple[str | None, ...]


def _layers(path: Path, root: Path, findings: Findings) -> Iterator[_Layer]:
    import pyogrio

    where = shown(path, root)
    try:
        names = [name for name, kind in pyogrio.list_layers(path) if kind is not None]
        for name in names:
            place = where if len(names) == 1 else f"{where}, layer {name}"
            layer = _read_layer(path, name, place, root, findings)
            if layer is not None:
                yield layer
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        findings.fault(where, f"cannot be read ({error}). Export it again.")
    except DatasetError as error:
        findings.faults.append(str(error))


def _read_layer(
    path: Path, name: str, where: str, root: Path, findings: Findings
) -> _Layer | None:
    import shapely
    from pyogrio import raw

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is wrong is told below
        meta, _, geometries, fields = raw.read(path, layer=name)
        shapes = shapely.from_wkb(geometries, on_invalid="ignore")
    if not len(shapes):
        return None
    if meta["crs"] is None:
        raise DatasetError(
            f"{where}: has no reference system. Export it with one (a Shapefile has it "
            "in its .prj)."
        )
    column = _class_column(meta["fields"].tolist(), fields, where)
    singles, numbers = shapely.get_parts(shapely.force_2d(shapes), return_index=True)
    is_polygon = shapely.get_type_id(singles) == shapely.GeometryType.POLYGON
    left_out = int((~is_polygon).sum()) + int(shapely.is_missing(shapes).sum())
    if left_out:
        findings.notice("Entries that are no polygons are left out", where)
    if not is_polygon.any():
        return None
    values = [_class_name(value) for value in fields[column]]
    classes = tuple(values[number] for number in numbers[is_polygon])
    if None in classes:
        findings.notice("Polygons without a class are void", where)
    part = part_of_file(path, root)
    return _Layer(path, where, part, meta["crs"], singles[is_polygon], classes)


def _class_column(
    names: Sequence[str], fields: Sequence[npt.NDArray[np.generic]], where: str
) -> int:
    lower = [name.lower() for name in names]
    for name in CLASS_COLUMNS:
        if name in lower:
            return lower.index(name)
    texts = [i for i, field in enumerate(fields) if field.dtype.kind in "OU"]
    if len(texts) == 1:
        return texts[0]
    raise DatasetError(
        f"{where}: no column is called class, and columns are "
        f"{', '.join(names) or 'none'}. Call the one that names the classes class "
        f"(or {', '.join(CLASS_COLUMNS[1:])})."
    )


def _class_name(value: object) -> str | None:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return None
    number = float(value) if isinstance(value, np.floating) else None
    if number is not None:
        return f"{number:g}" if np.isfinite(number) else None
    return str(value).strip() or None


class _Reader:
    """Makes the masks of images.

    Attributes:
        drawn: number of polygons that lie on an image.
    """

    def __init__(
        self,
        root: Path,
        layers: Sequence[_Layer],
        classes: ClassCodes,
        findings: Findings,
    ) -> None:
        self._root, self._layers, self._classes = root, layers, classes
        self._findings = findings
        self._moved: dict[tuple[int, str], npt.NDArray[np.object_]] = {}
        self.drawn = 0

    def read(self, image: Path, stems: set[str]) -> None:
        """Add an image and its mask."""
        where = shown(image, self._root)
        try:
            with opened_scene(image) as scene:
                crs, transform = scene.crs, scene.transform
                height, width = scene.height, scene.width
        except DatasetError as error:
            self._findings.faults.append(str(error))
            return
        if crs is None or transform.is_degenerate:
            self._findings.fault(where, "has no reference system. Export it with one.")
            return
        part = part_of_file(image.parent / "_", self._root)
        shapes: list[Outline] = []
        used = [x for x in self._layers if _belongs(x, image, part, stems)]
        for layer in used:
            shapes += self._shapes(layer, crs.to_wkt(), transform, (height, width))
        self.drawn += len(shapes)
        if not shapes:
            text = "Images without polygons are background"
            self._findings.notice(text, where)
        mask = ShapesMask(
            path=used[0].path if used else image,
            where=f"{' and '.join(x.where for x in used) or 'no polygons'} on {where}",
            height_px=height,
            width_px=width,
            shapes=tuple(shapes),
            uncovered=self._classes.uncovered,
        )
        self._findings.pair(image, mask, part)

    def _shapes(
        self, layer: _Layer, crs: str, transform: Affine, size: tuple[int, int]
    ) -> Iterator[Outline]:
        """The polygons that lie on an image, in its pixels."""
        import shapely

        polygons = self._in(layer, crs)
        height, width = size
        corners = np.array([(0, 0), (0, height), (width, 0), (width, height)], float)
        on_map = _applied(transform, corners)
        bounds = shapely.bounds(polygons)
        near = (bounds[:, :2] < on_map.max(axis=0)).all(axis=1)
        near &= (bounds[:, 2:] > on_map.min(axis=0)).all(axis=1)
        for number in np.flatnonzero(near).tolist():
            rings = [
                _applied(~transform, shapely.get_coordinates(ring)[:-1])
                for ring in shapely.get_rings(polygons[number])
            ]
            if all((np.abs(ring) <= FARTHEST_PX).all() for ring in rings):
                name = layer.classes[number]
                code = VOID if name is None else self._classes.codes[name]
                yield Outline.of(code, *rings)
            else:
                self._findings.fault(
                    f"{layer.where}: polygon {number + 1}",
                    "reaches too far beyond an image. Cut it to the images' area.",
                )

    def _in(self, layer: _Layer, crs: str) -> npt.NDArray[np.object_]:
        """The polygons in the reference system of an image."""
        import shapely
        from rasterio.crs import CRS
        from rasterio.warp import transform

        key = id(layer), crs
        if key not in self._moved:
            source, target = CRS.from_user_input(layer.crs), CRS.from_wkt(crs)

            def moved(points: Points) -> Points:
                return np.stack(transform(source, target, *points.T), axis=1)

            self._moved[key] = (
                layer.polygons
                if source == target
                else shapely.transform(layer.polygons, moved)
            )
        return self._moved[key]


def _belongs(layer: _Layer, image: Path, part: str | None, stems: set[str]) -> bool:
    """Whether a file's polygons may lie on an image."""
    if layer.path.stem in stems:
        return layer.path.stem == image.stem
    return layer.part is None or part is None or layer.part == part


def _applied(transform: Affine, points: Points) -> Points:
    """Points `(n, 2)` that an affine transform moves."""
    matrix = np.array([[transform.a, transform.d], [transform.b, transform.e]])
    moved: Points = points @ matrix + (transform.c, transform.f)
    return moved
