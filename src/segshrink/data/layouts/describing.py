"""Names of classes in the files that tools write beside masks."""

import csv
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from segshrink.data.classes import Color, pack_color
from segshrink.data.layouts.layout import CodeNames
from segshrink.errors import DatasetError

_MOST_BYTES = 1 << 20
_VOID_NAMES = ("void", "ignore", "ignored", "unlabeled_void", "__ignore__")


def described_codes(root: Path) -> CodeNames | None:
    """The classes that a file of a known tool names in this folder, or one below.

    Read are `labelmap.txt` (CVAT, Datumaro), `dataset_meta.json` (Datumaro),
    `label_colors.txt` and `class_dict.csv` (CamVid), `_classes.csv` (Roboflow),
    `objectInfo150.txt` (ADE20K), and `labels.txt` or `classes.txt` with one name a
    line.

    Raises:
        DatasetError: if such a file is damaged.
    """
    for name, parse in _PARSERS.items():
        for path in (root / name, *sorted(root.glob(f"*/{name}"))):
            if path.is_file():
                try:
                    return parse(_text(path), path.relative_to(root).as_posix())
                except (ValueError, KeyError, TypeError, IndexError) as error:
                    raise DatasetError(
                        f"{path}: does not name classes as {name} does ({error}). "
                        "Mend it, or name the classes in dataset.yaml."
                    ) from None
    return None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DatasetError(f"{path}: larger than {_MOST_BYTES >> 20} MB.")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}).") from None


def _lines(text: str) -> list[str]:
    stripped = [line.strip() for line in text.splitlines()]
    return [line for line in stripped if line and not line.startswith("#")]


def _label_map(text: str, source: str) -> CodeNames:
    """CVAT's `name:red,green,blue:parts:actions`."""
    names: dict[int, str] = {}
    for line in _lines(text):
        found = re.fullmatch(r"([^:]+):(\d+),(\d+),(\d+)(?::.*)?", line)
        if found is None:
            raise ValueError(f"a line is name:red,green,blue::, got {line!r}")
        names[_code(found.groups()[1:])] = found[1]
    return _without_void(source, by_index=False, names=names)


def _label_colors(text: str, source: str) -> CodeNames:
    """CamVid's `red green blue    name`."""
    names: dict[int, str] = {}
    for line in _lines(text):
        found = re.fullmatch(r"(\d+)\s+(\d+)\s+(\d+)\s+(\S.*)", line)
        if found is None:
            raise ValueError(f"a line is red green blue name, got {line!r}")
        names[_code(found.groups()[:3])] = found[4]
    return _without_void(source, by_index=False, names=names)


def _class_dict(text: str, source: str) -> CodeNames:
    """The `name,r,g,b` of copies of CamVid."""
    rows = list(csv.reader(_lines(text), skipinitialspace=True))[1:]
    names = {_code(row[1:4]): row[0].strip() for row in rows}
    return _without_void(source, by_index=False, names=names)


def _code(channels: Sequence[str]) -> int:
    red, green, blue = (int(channel) for channel in channels)
    return pack_color(_color((red, green, blue)))


def _color(color: Color) -> Color:
    if not all(0 <= channel <= 255 for channel in color):
        raise ValueError(f"a colour is three numbers from 0 to 255, got {color}")
    return color


def _dataset_meta(text: str, source: str) -> CodeNames:
    """Datumaro's label map and colours, in the same order."""
    data = json.loads(text)
    names = {int(index): str(name) for index, name in data["label_map"].items()}
    colors = [_color(tuple(color)) for color in data.get("segmentation_colors", [])]
    if not colors:
        return _without_void(source, by_index=True, names=names)
    in_order = [names[index] for index in sorted(names)]
    coded = dict(zip((pack_color(c) for c in colors), in_order, strict=True))
    return _without_void(source, by_index=False, names=coded)


def _classes_csv(text: str, source: str) -> CodeNames:
    """Roboflow's `Pixel Value, Class`."""
    rows = list(csv.reader(_lines(text), skipinitialspace=True))[1:]
    names = {int(value): name.strip() for value, name, *_ in rows}
    return _without_void(source, by_index=True, names=names)


def _object_info(text: str, source: str) -> CodeNames:
    """ADE20K's `Idx Ratio Train Val Stuff Name`; index 0 is "other objects"."""
    rows = [line.split("\t") for line in _lines(text)[1:]]
    names = {int(row[0]): row[-1].split(",")[0].strip() for row in rows}
    return CodeNames(source, by_index=True, names=names, void=(0,))


def _name_list(text: str, source: str) -> CodeNames:
    """One name a line, in the order of the indices."""
    names = dict(enumerate(_lines(text)))
    if not names:
        raise ValueError("no name in it")
    return _without_void(source, by_index=True, names=names, usual_void=(255,))


def _without_void(
    source: str,
    *,
    by_index: bool,
    names: dict[int, str],
    usual_void: tuple[int, ...] = (),
) -> CodeNames:
    """The classes without those that are called void."""
    if len(set(names.values())) < len(names):
        raise ValueError("names a class twice")
    void = tuple(code for code, name in names.items() if name.lower() in _VOID_NAMES)
    kept = {code: name for code, name in names.items() if code not in void}
    void += tuple(code for code in usual_void if code not in names)
    return CodeNames(source, by_index=by_index, names=kept, void=void)


_PARSERS: dict[str, Callable[[str, str], CodeNames]] = {
    "labelmap.txt": _label_map,
    "dataset_meta.json": _dataset_meta,
    "label_colors.txt": _label_colors,
    "class_dict.csv": _class_dict,
    "_classes.csv": _classes_csv,
    "objectInfo150.txt": _object_info,
    "labels.txt": _name_list,
    "classes.txt": _name_list,
}
