"""Label Studio: a JSON export of tasks with brushes, polygons and rectangles."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from segshrink.data.layouts.annotation_files import (
    ImageIndex,
    json_files,
    mentions,
    part_of_file,
    read_json,
    shown,
)
from segshrink.data.layouts.findings import Findings, class_codes
from segshrink.data.layouts.layout import Layout
from segshrink.data.outlines import Points, as_points, rectangle
from segshrink.data.run_lengths import brush_values
from segshrink.data.shapes import BrushRuns, Outline, Shape, ShapesMask
from segshrink.errors import DatasetError

NAME = "label-studio"
SIGNS = ("*.json|*/*.json", "**/*.jpg|**/*.jpeg|**/*.png|**/*.webp")
TREE = """\
DATA/                           images are found by name, at any depth
  project-1-at-2026-01-01.json  the export called JSON (not JSON-MIN)
  images/a.jpg                  or 0a1b2c3d-a.jpg, as uploaded files are called
"""

_KEYS = ("annotations", "result", "data")
_SIDE_PX = 1 << 20
_UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)")


def read(root: Path) -> Layout | None:
    """Draw the regions of each task; None if there is no export of Label Studio.

    Of several annotations of a task, the one that is marked as ground truth counts,
    else the first that was not cancelled. A brush covers the pixels whose alpha is not
    0; a polygon or rectangle those whose centres lie inside, where its percentages are
    taken of the image's size. Later regions cover earlier ones. Tasks without an
    annotation are left out; one without regions is background.

    Raises:
        DatasetError: if there is an export in the short form JSON-MIN instead.
    """
    lists = [x for paths in json_files(root) for x in paths if _begins_a_list(x)]
    paths = [path for path in lists if mentions(path, *_KEYS)]
    if not paths:
        _require_no_short_form(lists, root)
        return None
    findings = Findings(root, NAME)
    index = ImageIndex(root)
    drawn: list[_Drawn] = []
    for path in paths:
        drawn += _read_file(path, findings, index)
    names = sorted({label for each in drawn for label, _ in each.shapes})
    classes = class_codes(names, str(root))
    for each in drawn:
        shapes = (replace(x, code=classes.codes[label]) for label, x in each.shapes)
        mask = replace(each.mask, shapes=tuple(shapes), uncovered=classes.uncovered)
        findings.pair(each.image, mask, part_of_file(mask.path, root))
    findings.unlisted(index, {each.image for each in drawn})
    return findings.layout(classes, " and ".join(shown(path, root) for path in paths))


def _require_no_short_form(paths: Iterable[Path], root: Path) -> None:
    for path in paths:
        areas = (mentions(path, kind) for kind in ("brushlabels", "polygonlabels"))
        if mentions(path, "original_width") and any(areas):
            raise DatasetError(
                f"{shown(path, root)}: is Label Studio's export JSON-MIN, which says "
                "too little. Export JSON."
            )


def _begins_a_list(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    except OSError:
        return False


@dataclass(frozen=True)
class _Drawn:
    """An image, its shapes with their labels, and its mask without shapes."""

    image: Path
    shapes: tuple[tuple[str, Shape], ...]
    mask: ShapesMask


def _read_file(path: Path, findings: Findings, index: ImageIndex) -> Iterable[_Drawn]:
    where = shown(path, findings.root)
    tasks = read_json(path, where)
    for number, task in enumerate(tasks if isinstance(tasks, list) else [], 1):
        name = task.get("id", number) if isinstance(task, dict) else number
        place = f"{where}: task {name}"
        try:
            if not isinstance(task, dict):
                raise ValueError(f"is {task!r:.60}, but must be an object of JSON")
            found = _read_task(path, task, place, findings, index)
        except (ValueError, DatasetError) as error:
            findings.fault(place, f"{error}. Mend or remove it.")
            continue
        if found is not None:
            yield found


def _read_task(
    path: Path,
    task: Mapping[str, Any],
    where: str,
    findings: Findings,
    index: ImageIndex,
) -> _Drawn | None:
    annotation = _annotation(task, where, findings)
    if annotation is None:
        return None
    image = _image_of(path, task, where, findings, index)
    if image is None:
        return None
    results = annotation.get("result")
    if not isinstance(results, list):
        raise ValueError(f"result is {results!r:.60}, but must be a list")
    size = _size(results) or findings.size_of(image)
    if size is None:
        return None
    mask = ShapesMask(
        path=path, where=where, height_px=size[0], width_px=size[1], shapes=()
    )
    shapes = tuple(_shapes(results, where, size, findings))
    return _Drawn(image, shapes, mask)


def _annotation(
    task: Mapping[str, Any], where: str, findings: Findings
) -> Mapping[str, Any] | None:
    """The annotation of a task that counts."""
    annotations = task.get("annotations") or []
    if not isinstance(annotations, list) or not all(
        isinstance(each, dict) for each in annotations
    ):
        raise ValueError("annotations must be a list of objects")
    kept = [each for each in annotations if not each.get("was_cancelled")]
    if not kept:
        findings.notice("Tasks without an annotation are left out", where)
        return None
    if len(kept) > 1:
        findings.notice(
            "Of several annotations of a task one is taken: ground truth, or the first",
            where,
        )
    return next((each for each in kept if each.get("ground_truth")), kept[0])


def _image_of(
    path: Path,
    task: Mapping[str, Any],
    where: str,
    findings: Findings,
    index: ImageIndex,
) -> Path | None:
    data = task.get("data")
    values = list(data.values()) if isinstance(data, dict) else []
    given = [task.get("file_upload"), *values]
    names = [_file_name(each) for each in given if isinstance(each, str) and each]
    # Uploaded files are called by a hash, a hyphen and their own name.
    names += [
        match[1] for name in names if (match := _UPLOADED.fullmatch(Path(name).name))
    ]
    part = part_of_file(path, findings.root)
    for name in names:
        found = index.find(name, near=path, part=part)
        if found:
            return findings.one_image(found, f"{where} ({name})")
    return findings.one_image([], f"{where} ({names[0] if names else 'no image'})")


def _file_name(text: str) -> str:
    """The path of an image in a URL, also of files that Label Studio serves itself."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    served = parse_qs(parts.query).get("d")
    return served[0] if served else unquote(parts.path)


def _size(results: Iterable[object]) -> tuple[int, int] | None:
    """Height and width that the regions were drawn at; None if there is no region."""
    for each in results:
        if isinstance(each, dict) and "original_width" in each:
            size = each.get("original_height"), each.get("original_width")
            if not all(isinstance(x, int) and 0 < x <= _SIDE_PX for x in size):
                raise ValueError(f"original_height and original_width are {size}")
            return int(size[0]), int(size[1])  # type: ignore[arg-type]
    return None


def _shapes(
    results: Iterable[object],
    where: str,
    size: tuple[int, int],
    findings: Findings,
) -> Iterable[tuple[str, Shape]]:
    for number, result in enumerate(results, 1):
        place = f"{where}: region {number}"
        try:
            found = _labelled_shape(result, place, size, findings)
        except ValueError as error:
            findings.fault(place, f"{error}. Mend or remove it.")
            continue
        if found is not None:
            yield found


def _labelled_shape(
    result: object, where: str, size: tuple[int, int], findings: Findings
) -> tuple[str, Shape] | None:
    """The label and shape of a region; None for what is no area or has no label."""
    value = result.get("value") if isinstance(result, dict) else None
    if not isinstance(result, dict) or not isinstance(value, dict):
        raise ValueError("is not an object of JSON with a value")
    labels = [x for key, x in value.items() if key.endswith("labels")]
    first = labels[0] if labels else None
    label = first[0] if isinstance(first, list) and first else None
    if not isinstance(label, str):
        if value.keys() & {"rle", "points", "width"}:
            findings.notice("Regions without a label are left out", where)
        return None
    if result.get("image_rotation"):
        raise ValueError("was drawn on a rotated image. Rotate the image's file")
    own = result.get("original_height"), result.get("original_width")
    if own not in (size, (None, None)):
        raise ValueError(f"was drawn at {own} (height, width), another at {size}")
    if "rle" in value:
        return label, _brush(value["rle"], size)
    points = _corners(value)
    if points is None:
        text = "Regions that are no brush, polygon or rectangle are left out"
        findings.notice(text, where)
        return None
    scale = np.array([size[1], size[0]]) / 100
    ring = findings.ring(points * scale, where, *size)
    return None if ring is None else (label, Outline.of(0, ring))


def _corners(value: Mapping[str, Any]) -> Points | None:
    """Corners of a polygon or rectangle in percent of the image's width and height."""
    if "points" in value:
        points = as_points(value["points"])
    elif value.keys() >= {"x", "y", "width", "height"}:
        if value.get("rotation"):
            raise ValueError("is a rotated rectangle. Draw a polygon instead")
        points = as_points([value[key] for key in ("x", "y", "width", "height")])
        if points is not None:
            (x, y), (width, height) = points.tolist()
            points = as_points(rectangle(x, y, width, height))
    else:
        return None
    if points is None:
        raise ValueError("has points that are not pairs of finite numbers")
    return points


def _brush(numbers: object, size: tuple[int, int]) -> Shape:
    try:
        packed = bytes(numbers) if isinstance(numbers, list) else b""
        values = brush_values(packed)
    except (TypeError, ValueError, MemoryError) as error:
        raise ValueError(f"its run-length code is damaged ({error})") from None
    if values != 4 * size[0] * size[1]:
        raise ValueError(
            f"its run-length code has {values} values, but {size[1]} x {size[0]} "
            f"pixels have {4 * size[0] * size[1]}"
        )
    return BrushRuns(0, packed)
