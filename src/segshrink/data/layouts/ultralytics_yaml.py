"""The YAML file of Ultralytics: classes, and images of each part."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from segshrink.data.description import is_of_ultralytics, read_mapping
from segshrink.data.layouts.annotation_files import shown
from segshrink.data.layouts.findings import Findings
from segshrink.data.layouts.layout import PART_NAMES
from segshrink.data.walking import folders_below, image_files
from segshrink.errors import DatasetError

_IMAGES = "images"
_MOST_BYTES = 1 << 22


@dataclass(frozen=True)
class UltralyticsFile:
    """A YAML file of Ultralytics.

    Attributes:
        root: the data set's folder, in which it lies.
        where: its name in messages.
        names: names of the classes by index.
        data: all of its content.
    """

    root: Path
    where: str
    names: Mapping[int, str]
    data: Mapping[str, object]

    def images(self, findings: Findings) -> Iterator[tuple[str, Path]]:
        """Each image with its part; a folder or list that is not there is a fault."""
        seen: dict[Path, str] = {}
        for part in PART_NAMES:
            given = self.data.get(part)
            for value in given if isinstance(given, list) else [given]:
                if value is None or value == "":
                    continue
                place = self._place(value)
                if place is None:
                    findings.fault(
                        self.where,
                        f"{part} is {value!r}, which is not there. Name a folder or "
                        f"list below {self.root}.",
                    )
                    continue
                if seen.setdefault(place, part) != part:
                    # As in the examples of Ultralytics, which train and measure on the
                    # same few images.
                    same = f"{part} is the same as {seen[place]} and left out"
                    findings.notice(f"{self.where}: {same}")
                    continue
                for path in _images_of(place, self.root, findings):
                    yield part, path

    def _place(self, value: object) -> Path | None:
        """The folder or list of a part, wherever `path` says that it once lay."""
        inner = str(value).removeprefix("../")
        bases = [str(self.data.get("path") or "."), "."]
        for base in bases:
            for name in dict.fromkeys([str(value), inner]):
                path = self.root / base / name
                inside = _inside(path, self.root)
                if inside is not None and inside.exists():
                    return inside
        return None


def _inside(path: Path, root: Path) -> Path | None:
    """The path without `..`, named from the folder; None if it lies outside."""
    straight, base = Path(os.path.abspath(path)), Path(os.path.abspath(root))
    return root / straight.relative_to(base) if straight.is_relative_to(base) else None


def find_ultralytics(root: Path) -> UltralyticsFile | None:
    """The YAML file of Ultralytics in a folder; None if there is none.

    Raises:
        DatasetError: if it does not name its classes as Ultralytics does, or there are
            several.
    """
    found = {
        path: data
        for path in sorted([*root.glob("*.yaml"), *root.glob("*.yml")])
        if (data := _mapping(path)) and is_of_ultralytics(data)
    }
    if not found:
        return None
    if len(found) > 1:
        raise DatasetError(
            f"{root}: {' and '.join(path.name for path in found)} both describe a data "
            "set of Ultralytics. Keep one of them."
        )
    path, data = found.popitem()
    return UltralyticsFile(root, path.name, _names(data["names"], path.name), data)


def _mapping(path: Path) -> Mapping[str, object] | None:
    try:
        return read_mapping(path) if path.stat().st_size <= _MOST_BYTES else None
    except (DatasetError, OSError):
        return None  # not of Ultralytics; if it is ours, others report it


def unreadable_yaml(root: Path) -> list[str]:
    """A line for each YAML file of a folder that cannot be read as one."""
    faults = []
    for path in sorted([*root.glob("*.yaml"), *root.glob("*.yml")]):
        try:
            read_mapping(path)
        except DatasetError as error:
            faults.append(str(error))
    return faults


def _names(given: object, where: str) -> dict[int, str]:
    entries = dict(enumerate(given)) if isinstance(given, list) else given
    if not isinstance(entries, dict) or not all(
        type(key) is int and 0 <= key < 255 and isinstance(name, str)
        for key, name in entries.items()
    ):
        raise DatasetError(
            f"{where}: names must be a list of texts, or texts by index from 0 to 254, "
            f"got {given!r:.60}. YAML takes yes, no and numbers for texts in quotes."
        )
    names = {key: entries[key] for key in sorted(entries)}
    if not names or len(set(names.values())) < len(names):
        raise DatasetError(f"{where}: names must differ, and there must be one.")
    return names


def _images_of(place: Path, root: Path, findings: Findings) -> Iterator[Path]:
    if place.is_dir():
        for folder in folders_below(place):
            yield from image_files(folder)
        return
    where = shown(place, root)
    try:
        lines = place.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        findings.fault(where, f"cannot be read ({error}).")
        return
    for line in filter(None, map(str.strip, lines)):
        name = PurePosixPath(line)
        bases = (place.parent, root)
        paths = [base / name for base in bases if not name.is_absolute()]
        path = next((path for path in paths if path.is_file()), None)
        inside = None if path is None else _inside(path, root)
        if inside is None:
            findings.fault(where, f"{line} is not there. Add it, or take out its line.")
        else:
            yield inside


def counterpart(
    image: Path, root: Path, folder: str, suffixes: Sequence[str]
) -> list[Path]:
    """Paths that an image's mask or labels may have, the likeliest first.

    The last folder called `images` is replaced; without one, they lie beside.
    """
    parts = list(image.relative_to(root).parts[:-1])
    if _IMAGES in parts:
        last = len(parts) - 1 - parts[::-1].index(_IMAGES)
        parts[last] = folder
    return [root.joinpath(*parts, image.stem + suffix) for suffix in suffixes]
