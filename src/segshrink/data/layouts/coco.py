"""COCO JSON: polygons and runs of many images in one file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segshrink.data.layouts.annotation_files import (
    ImageIndex,
    json_files,
    mentions,
    part_of_file,
    read_json,
    shown,
)
from segshrink.data.layouts.findings import VOID, ClassCodes, Findings, class_codes
from segshrink.data.layouts.folders import holds_masks
from segshrink.data.layouts.layout import Layout
from segshrink.data.outlines import as_points, rectangle
from segshrink.data.run_lengths import checked_counts, coco_counts
from segshrink.data.shapes import ColumnRuns, Outline, Shape, ShapesMask
from segshrink.data.walking import folders_below
from segshrink.errors import DatasetError

NAME = "coco"
SIGNS = ("**/*.json", "**/*.jpg|**/*.jpeg|**/*.png|**/*.tif")
TREE = """\
DATA/                                   images are found by name, at any depth
  annotations/instances_train2017.json
  annotations/instances_val2017.json
  train2017/a.jpg
  val2017/b.jpg

DATA/                                   as Roboflow exports it
  train/_annotations.coco.json
  train/a.jpg
  valid/ ...
  test/ ...

DATA/                                   without parts, each image is a scene
  annotations.json
  images/a.jpg
"""

_KEYS = ("images", "categories", "annotations")
# Of COCO's own files, these hold no areas, or hold the same images again.
_PASSED_OVER = ("captions", "person_keypoints", "panoptic", "image_info")
_SIDE_PX = 1 << 20


def read(root: Path) -> Layout | None:
    """Draw the annotations of each image; None if there is no COCO file.

    Outlines hold the pixels whose centres lie inside, those of one annotation together;
    runs are decoded exactly. Later annotations cover earlier ones. `iscrowd` and
    `ignore` make void, and so does the box of an annotation that has nothing but a box.
    """
    paths = _coco_files(root)
    if not paths:
        return None
    files = [_read_file(path, root) for path in paths]
    if not any(file.has_areas for file in files):
        if any(map(holds_masks, folders_below(root))):
            return None  # an export of boxes beside masks
        raise DatasetError(
            f"{' and '.join(file.where for file in files)}: no annotation has a "
            "segmentation. Export polygons or run-length codes instead of boxes."
        )
    names = list(dict.fromkeys(x for file in files for x in file.names.values()))
    source = " and ".join(file.where for file in files)
    classes = class_codes(names, source)
    findings = Findings(root, NAME)
    index = ImageIndex(root)
    seen: dict[Path, str] = {}
    for file in files:
        _Reader(file, classes, findings, index, seen).read()
    findings.unlisted(index, seen)
    return findings.layout(classes, source)


def _coco_files(root: Path) -> list[Path]:
    found = []
    for paths in json_files(root):
        if mentions(paths[0], "shapes", "imagePath"):  # a folder of LabelMe's
            continue
        found += [path for path in paths if mentions(path, *_KEYS)]
    kept = [path for path in found if not path.name.startswith(_PASSED_OVER)]
    return kept or found


@dataclass(frozen=True)
class _File:
    """A file of annotations.

    Attributes:
        path: the file.
        where: its name in messages.
        images: its entries of images.
        names: the name of each category's id.
        annotations: annotations by id of their image.
        orphans: number of annotations whose image is not listed.
        part: the part that the file's name or folder says.
    """

    path: Path
    where: str
    images: dict[int, Mapping[str, Any]]
    names: dict[int, str]
    annotations: dict[int, list[Mapping[str, Any]]]
    orphans: int
    part: str | None

    @property
    def has_areas(self) -> bool:
        """Whether an annotation has more than a box, or there is none at all."""
        own = [each for entries in self.annotations.values() for each in entries]
        return not own or any(each.get("segmentation") for each in own)


def _read_file(path: Path, root: Path) -> _File:
    where = shown(path, root)
    data = read_json(path, where)
    try:
        lists = [data[key] for key in _KEYS]  # type: ignore[index]
        if not all(isinstance(each, list) for each in lists):
            raise TypeError("images, categories and annotations must be lists")
        names = {_id(each["id"]): _name(each["name"]) for each in lists[1]}
        images = {_id(each["id"]): each for each in lists[0]}
        annotations: dict[int, list[Mapping[str, Any]]] = {key: [] for key in images}
        orphans = 0
        for each in lists[2]:
            own = annotations.get(_id(each["image_id"]))
            orphans += own is None
            if own is not None:
                own.append(each)
    except (KeyError, TypeError) as error:
        kind = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise DatasetError(f"{where}: is not COCO's form: {kind}. Mend it.") from None
    if any("segments_info" in own for each in annotations.values() for own in each):
        raise DatasetError(
            f"{where}: has panoptic segments. Export instances or stuff instead."
        )
    if len(images) < len(lists[0]) or len(set(names.values())) < len(lists[1]):
        raise DatasetError(f"{where}: an image's id, or a category, is there twice.")
    return _File(
        path, where, images, names, annotations, orphans, part_of_file(path, root)
    )


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a category's name must be text, got {value!r:.60}")
    return value


def _id(value: object) -> int:
    # Some tools write ids as text.
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    if not isinstance(value, int):
        raise TypeError(f"an id must be a whole number, got {value!r:.60}")
    return value


class _Reader:
    """Reads the images of one file."""

    def __init__(
        self,
        file: _File,
        classes: ClassCodes,
        findings: Findings,
        index: ImageIndex,
        seen: dict[Path, str],
    ) -> None:
        self._file, self._classes, self._findings = file, classes, findings
        self._index, self._seen = index, seen

    def read(self) -> None:
        """Add each image and its mask."""
        for key, entry in self._file.images.items():
            self._read_image(key, entry)
        if self._file.orphans:
            self._findings.notice(
                "Annotations of images that are not listed are left out",
                f"{self._file.where}, {self._file.orphans} in it",
            )

    def _read_image(self, key: int, entry: Mapping[str, Any]) -> None:
        name = entry.get("file_name")
        where = f"{self._file.where}: image {key}"
        if not isinstance(name, str) or not name:
            self._findings.fault(where, "has no file_name. Mend it.")
            return
        where += f" ({name})"
        size = (entry.get("height"), entry.get("width"))
        if not all(isinstance(x, int) and 0 < x <= _SIDE_PX for x in size):
            self._findings.fault(where, f"height and width are {size}. Mend them.")
            return
        image = self._findings.one_image(
            self._index.find(name, near=self._file.path, part=self._file.part), where
        )
        if image is None:
            return
        if self._seen.setdefault(image, self._file.where) != self._file.where:
            raise DatasetError(
                f"{self._seen[image]} and {self._file.where} both describe "
                f"{shown(image, self._findings.root)}. Keep one of them."
            )
        height, width = int(size[0]), int(size[1])  # type: ignore[arg-type]
        shapes = self._shapes(self._file.annotations[key], height, width)
        mask = ShapesMask(
            path=self._file.path,
            where=where,
            height_px=height,
            width_px=width,
            shapes=tuple(shapes),
            uncovered=self._classes.uncovered,
        )
        self._findings.pair(image, mask, self._file.part)

    def _shapes(
        self, annotations: list[Mapping[str, Any]], height: int, width: int
    ) -> list[Shape]:
        shapes: list[Shape] = []
        for each in annotations:
            where = f"{self._file.where}: annotation {each.get('id')}"
            try:
                code = self._code(each)
                shapes += self._parts(each, code, where, height, width)
            except ValueError as error:
                self._findings.fault(where, f"{error}. Mend or remove it.")
        return shapes

    def _code(self, annotation: Mapping[str, Any]) -> int:
        category = annotation.get("category_id")
        try:
            name = self._file.names[_id(category)]
        except (KeyError, TypeError):
            raise ValueError(f"category {category!r:.60} does not exist") from None
        is_void = annotation.get("iscrowd") or annotation.get("ignore")
        return VOID if is_void else self._classes.codes[name]

    def _parts(
        self, annotation: Mapping[str, Any], code: int, where: str, *size: int
    ) -> list[Shape]:
        """The shapes of an annotation; later ones of a list join the earlier."""
        area = annotation.get("segmentation")
        if isinstance(area, dict):
            return [_runs(area, code, *size)]
        if area is not None and not isinstance(area, list):
            raise ValueError(f"segmentation is {area!r:.60}, but must be a list")
        if not area:
            return self._box(annotation, where)
        rings = [area] if not isinstance(area[0], list) else area
        shapes: list[Shape] = []
        for ring in rings:
            points = self._findings.ring(ring, where, *size)
            if points is not None:
                shapes.append(Outline.of(code, points))
        return shapes

    def _box(self, annotation: Mapping[str, Any], where: str) -> list[Shape]:
        box = as_points(annotation.get("bbox"))
        if box is None or len(box) != 2:
            self._findings.notice("Annotations without an area are left out", where)
            return []
        self._findings.notice("Annotations with nothing but a box are void", where)
        corners = as_points(rectangle(*box.ravel().tolist()))
        return [] if corners is None else [Outline.of(VOID, corners)]


def _runs(area: Mapping[str, Any], code: int, height: int, width: int) -> Shape:
    if area.get("size") != [height, width]:
        raise ValueError(
            f"its runs are for {area.get('size')!r:.60}, but its image is "
            f"{[height, width]} (height, width)"
        )
    counts = area.get("counts")
    try:
        if isinstance(counts, str):
            found = coco_counts(counts)
        else:
            found = np.array(counts)
            if found.dtype.kind not in "iu" and found.size:
                raise ValueError("has lengths that are not whole numbers")
        runs = checked_counts(found.astype(np.int64), height, width)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"its run-length code {error}") from None
    return ColumnRuns(code, runs.tobytes())
