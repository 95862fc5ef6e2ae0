"""Ultralytics' polygons: a text file of normalized outlines for each image."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from segshrink.data.layouts.annotation_files import shown
from segshrink.data.layouts.findings import ClassCodes, Findings, class_codes
from segshrink.data.layouts.layout import Layout
from segshrink.data.layouts.ultralytics_yaml import (
    UltralyticsFile,
    counterpart,
    find_ultralytics,
    unreadable_yaml,
)
from segshrink.data.outlines import Points, area_px
from segshrink.data.shapes import Outline, ShapesMask
from segshrink.data.walking import folders_below, image_files
from segshrink.errors import DatasetError

NAME = "ultralytics-polygons"
SIGNS = ("*.yaml|*.yml", "**/images", "**/labels")
TREE = """\
DATA/
  data.yaml                 names; train, val and test are folders or lists
  images/train/a.jpg        or train/images/a.jpg
  labels/train/a.txt        class x1 y1 x2 y2 ..., shares of width and height
  images/val/ labels/val/ ...
"""

# What Ultralytics grants to rounding.
_TOLERANCE = 0.01


def read(root: Path) -> Layout | None:
    """Draw the outlines of each image; None if there is no YAML file of Ultralytics.

    Outlines hold the pixels whose centres lie inside. As Ultralytics draws them, the
    smaller of two that overlap lies above. An image without a file, or with an empty
    one, is background.

    Raises:
        DatasetError: if such labels are there, but no YAML file.
    """
    file = find_ultralytics(root)
    if file is None:
        _require_no_labels(root)
        return None
    if file.data.get("masks_dir") or (root / "masks").is_dir():
        return None
    classes = class_codes(list(file.names.values()), file.where)
    findings = Findings(root, NAME)
    folders: dict[Path, set[str]] = {}
    for part, image in file.images(findings):
        path = counterpart(image, root, "labels", [".txt"])[0]
        folders.setdefault(path.parent, set()).add(path.name)
        mask = _mask(image, path, file, classes, findings)
        if mask is not None:
            findings.pair(image, mask, part)
    for folder, expected in folders.items():
        if folder.is_dir():
            for path in sorted(folder.glob("*.txt")):
                if path.name not in expected and path.name != "classes.txt":
                    text = "Labels without their image are left out"
                    findings.notice(text, shown(path, root))
    return findings.layout(classes, file.where)


def _require_no_labels(root: Path) -> None:
    for folder in folders_below(root):
        if folder.name != "labels" or image_files(folder):
            continue
        path = next(iter(sorted(folder.rglob("*.txt"))), None)
        if path is not None and _is_of_numbers(path):
            unread = "".join(f"\n{fault}" for fault in unreadable_yaml(root))
            raise DatasetError(
                f"{root}: {shown(path, root)} has labels as Ultralytics writes them, "
                "but no YAML file names their classes. Add data.yaml, such as:\n"
                "train: images/train\nval: images/val\nnames: [first, second]"
                f"{unread}"
            )


def _is_of_numbers(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            words = file.readline(1 << 16).split()
        return len(words) > 4 and bool([float(word) for word in words])
    except (OSError, ValueError):
        return False


def _mask(
    image: Path,
    path: Path,
    file: UltralyticsFile,
    classes: ClassCodes,
    findings: Findings,
) -> ShapesMask | None:
    where = shown(path, file.root)
    size = findings.size_of(image)
    if size is None:
        return None
    outlines: list[tuple[Points, str]] = []
    if path.is_file():
        outlines = list(_outlines(path, where, size, file, findings))
    else:
        text = "Images without labels are background"
        findings.notice(text, shown(image, file.root))
    outlines.sort(key=lambda each: -area_px(each[0]))
    return ShapesMask(
        path=path if path.is_file() else file.root / file.where,
        where=where,
        height_px=size[0],
        width_px=size[1],
        shapes=tuple(Outline.of(classes.codes[x], points) for points, x in outlines),
        uncovered=classes.uncovered,
    )


def _outlines(
    path: Path,
    where: str,
    size: tuple[int, int],
    file: UltralyticsFile,
    findings: Findings,
) -> Iterator[tuple[Points, str]]:
    """The outlines of a file in pixels, with their classes' names."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        findings.fault(where, f"cannot be read ({error}).")
        return
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{where}: line {number}"
        try:
            name, points = _parsed(line, file)
            ring = findings.ring(points * (size[1], size[0]), place, *size)
        except ValueError as error:
            findings.fault(place, f"{error}. Mend or remove it.")
            continue
        if ring is not None:
            yield ring, name


def _parsed(line: str, file: UltralyticsFile) -> tuple[str, Points]:
    """The class's name and the normalized corners in a line."""
    try:
        first, *rest = (float(word) for word in line.split())
    except ValueError:
        raise ValueError(f"{line.strip()!r:.60} is not a row of numbers") from None
    if first not in file.names:
        raise ValueError(
            f"class {first:g} does not exist: {file.where} names {len(file.names)}"
        )
    if len(rest) == 4:
        raise ValueError("has 4 coordinates, a box as for detection, but no outline")
    if len(rest) % 2:
        raise ValueError(f"has {len(rest)} coordinates, but x and y come in pairs")
    points = np.array(rest).reshape(-1, 2)
    if not ((points >= -_TOLERANCE) & (points <= 1 + _TOLERANCE)).all():
        raise ValueError(
            "has coordinates that are not from 0 to 1, shares of the image's width and "
            "height"
        )
    return file.names[int(first)], points
