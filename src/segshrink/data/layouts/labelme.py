"""LabelMe: a JSON file of shapes beside each image."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segshrink.data.layouts.annotation_files import (
    ImageIndex,
    json_files,
    mentions,
    read_json,
    shown,
)
from segshrink.data.layouts.findings import Findings, class_codes
from segshrink.data.layouts.layout import Layout
from segshrink.data.outlines import Points, as_points, is_within
from segshrink.data.shapes import Drawing, Shape, ShapesMask, Stamp
from segshrink.errors import DatasetError

NAME = "labelme"
SIGNS = ("**/*.json", "**/*.jpg|**/*.jpeg|**/*.png|**/*.bmp|**/*.tif")
TREE = """\
DATA/                 in train, val and test too, or in a folder for each scene
  a.jpg
  a.json              shapes of a.jpg; may lie in another folder than the image
  labels.txt          may name the classes, one a line, in the order of the labels
"""

_KEYS = ("shapes", "imagePath")
_SIDE_PX = 1 << 20


def read(root: Path) -> Layout | None:
    """Draw the shapes of each JSON file; None if there is no file of LabelMe.

    Masks are those of LabelMe's own export: drawn by Pillow, with borders, later shapes
    over earlier ones, lines 10 pixels wide and points as discs of radius 5. The shapes
    of a group are one thing in several pieces; each piece has the class of its label.
    `__ignore__` is void and `_background_` the background.
    """
    paths = _labelme_files(root)
    if not paths:
        return None
    findings = Findings(root, NAME)
    index = ImageIndex(root)
    drawn = [each for path in paths if (each := _read_file(path, findings, index))]
    listed = _listed_names(root, findings)
    used = sorted({label for each in drawn for label, _ in each.shapes})
    names = [*listed, *(label for label in used if label not in listed)]
    source = "labels.txt" if listed else "the shapes' labels"
    classes = class_codes(names, str(root))
    for each in drawn:
        shapes = (replace(x, code=classes.codes[label]) for label, x in each.shapes)
        mask = replace(each.mask, shapes=tuple(shapes), uncovered=classes.uncovered)
        findings.pair(each.image, mask)
    findings.unlisted(index, {each.image for each in drawn})
    return findings.layout(classes, source)


def _labelme_files(root: Path) -> list[Path]:
    found: list[Path] = []
    for paths in json_files(root):
        # Few files are enough to see what a folder holds; the others may be damaged.
        if any(mentions(path, *_KEYS) for path in paths[:20]):
            found += paths
    return found


def _listed_names(root: Path, findings: Findings) -> list[str]:
    path = root / "labels.txt"
    if not path.is_file():
        return []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        findings.fault("labels.txt", f"cannot be read ({error}).")
        return []
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))


@dataclass(frozen=True)
class _Drawn:
    """An image, its shapes with their labels, and its mask without shapes."""

    image: Path
    shapes: tuple[tuple[str, Shape], ...]
    mask: ShapesMask


def _read_file(path: Path, findings: Findings, index: ImageIndex) -> _Drawn | None:
    where = shown(path, findings.root)
    try:
        data = read_json(path, where)
    except DatasetError as error:
        findings.faults.append(str(error))
        return None
    shapes = data.get("shapes") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(shapes, list):
        findings.fault(where, "has no list of shapes. Mend or remove it.")
        return None
    image = _image_of(path, data, findings, index)
    size = None if image is None else _size(image, data, where, findings)
    if image is None or size is None:
        return None
    mask = ShapesMask(
        path=path, where=where, height_px=size[0], width_px=size[1], shapes=()
    )
    return _Drawn(image, tuple(_shapes(shapes, where, size, findings)), mask)


def _image_of(
    path: Path, data: Mapping[str, Any], findings: Findings, index: ImageIndex
) -> Path | None:
    named = data.get("imagePath")
    name = named if isinstance(named, str) and named else path.stem
    found = index.find(name, near=path)
    # The image may have been converted since, but not renamed.
    found = found or [x for x in index.beside(path) if x.stem == path.stem]
    where = shown(path, findings.root)
    if not found and data.get("imageData"):
        findings.fault(
            where,
            f"{name} is not there, only a copy of it in imageData. Save the image as a "
            "file beside it.",
        )
        return None
    return findings.one_image(found, f"{where} ({name})")


def _size(
    image: Path, data: Mapping[str, Any], where: str, findings: Findings
) -> tuple[int, int] | None:
    size = data.get("imageHeight"), data.get("imageWidth")
    if all(isinstance(each, int) and 0 < each <= _SIDE_PX for each in size):
        return int(size[0]), int(size[1])  # type: ignore[arg-type]
    if size != (None, None):
        findings.fault(where, f"imageHeight and imageWidth are {size}. Mend them.")
        return None
    return findings.size_of(image)


def _shapes(
    shapes: Iterable[object], where: str, size: tuple[int, int], findings: Findings
) -> Iterable[tuple[str, Shape]]:
    for number, entry in enumerate(shapes, 1):
        place = f"{where}: shape {number}"
        try:
            if not isinstance(entry, dict):
                raise ValueError(f"is {entry!r:.60}, but must be an object of JSON")
            label = entry.get("label")
            if not isinstance(label, str) or not label:
                raise ValueError(f"its label is {label!r:.60}, but must be a name")
            shape = _shape(entry)
        except ValueError as error:
            findings.fault(place, f"{error}. Mend or remove it.")
            continue
        if isinstance(shape, str):
            findings.notice(shape, place)
            continue
        if isinstance(shape, Drawing) and not is_within(shape.corners, *size):
            text = "Shapes that leave the image are cut off at its border"
            findings.notice(text, place)
        yield label, shape


def _shape(entry: Mapping[str, Any]) -> Shape | str:
    """The shape of an entry, or why it is left out.

    Raises:
        ValueError: if the entry is damaged.
    """
    kind = entry.get("shape_type") or "polygon"
    points = as_points(entry.get("points"))
    if points is None:
        raise ValueError(
            f"points are {entry.get('points')!r:.60}, but must be pairs of finite "
            "numbers"
        )
    if kind == "mask":
        return _stamp(points, entry.get("mask"))
    if not isinstance(kind, str) or kind not in Drawing.KINDS:
        raise ValueError(
            f"shape_type is {kind!r:.60}, but must be one of "
            f"{', '.join([*Drawing.KINDS, 'mask'])}"
        )
    least, most = Drawing.KINDS[kind]
    if len(points) < least:
        return f"A {kind} of fewer than {least} points is left out"
    if most is not None and len(points) > most:
        raise ValueError(f"a {kind} has {most} points, but this has {len(points)}")
    return Drawing(0, kind, points.tobytes())


def _stamp(points: Points, mask: object) -> Stamp:
    if len(points) != 2 or not isinstance(mask, str):
        raise ValueError("a mask needs 2 points and an image in base64")
    try:
        png = base64.b64decode(mask, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"its mask is not base64 ({error})") from None
    left, top = points[0].astype(int).tolist()
    return Stamp(0, left, top, png)
