"""Layouts of data sets: a module for each, tried in the order of `LAYOUTS`.

A module says `NAME`, `SIGNS` (glob patterns that must exist, alternatives parted by
`|`), `TREE` (what must lie where), and `read(root)`, which returns a `Layout`, or None
if the folder is of another layout.
"""

from pathlib import Path
from types import ModuleType

from segshrink.data.images import IMAGE_SUFFIXES, name_fault
from segshrink.data.layouts import (
    ade20k,
    camvid,
    cityscapes,
    coco,
    folders,
    gis,
    label_studio,
    labelme,
    paddleseg,
    pascal_voc,
    suffixes,
    ultralytics_polygons,
    ultralytics_semantic,
)
from segshrink.data.layouts.folders import holds_masks
from segshrink.data.layouts.layout import (
    PART_NAMES,
    CodeNames,
    GivenSplit,
    ImagePair,
    Layout,
)
from segshrink.data.walking import folders_below
from segshrink.errors import DatasetError, UsageError

# Those with surer signs come first; `suffixes` would take many others' files.
_MODULES: tuple[ModuleType, ...] = (
    ultralytics_semantic,
    ultralytics_polygons,
    labelme,
    coco,
    label_studio,
    camvid,
    cityscapes,
    pascal_voc,
    ade20k,
    paddleseg,
    gis,
    folders,
    suffixes,
)
LAYOUTS: dict[str, ModuleType] = {module.NAME: module for module in _MODULES}

_MOST_SHOWN = 8


def find_layout(root: Path, name: str | None = None) -> Layout:
    """Recognise how a folder is arranged, and pair its images with their masks.

    Args:
        root: the folder.
        name: a name of `LAYOUTS`, if it is not to be recognised.

    Raises:
        DatasetError: if the folder is missing, empty or arranged in no known way.
            Faults of single files are collected in `Layout.faults` instead.
        UsageError: if there is no layout of that name.
    """
    _require_folder(root)
    if name is not None and name not in LAYOUTS:
        raise UsageError(f"layout must be one of {', '.join(LAYOUTS)}, got {name!r}.")
    modules = _MODULES if name is None else (LAYOUTS[name],)
    for module in modules:
        found: Layout | None = module.read(root)
        if found is not None and (found.pairs or found.faults):
            return found
    raise DatasetError(_unknown(root, modules))


def _require_folder(root: Path) -> None:
    # Records name a data set by its folder.
    fault = name_fault(root.resolve())
    if fault is not None:
        raise DatasetError(fault)
    if not root.exists():
        raise DatasetError(
            f"{root}: no such folder. Name the folder that holds the images and masks."
        )
    if not root.is_dir():
        raise DatasetError(
            f"{root}: a file, but a data set is a folder. "
            "Name the folder that holds the images and masks."
        )
    if not any(root.iterdir()):
        raise DatasetError(
            f"{root}: the folder is empty. Put images and masks into it: "
            f"layouts are {', '.join(LAYOUTS)}."
        )


def _unknown(root: Path, modules: tuple[ModuleType, ...]) -> str:
    """The message about a folder of no known layout, with the nearest one."""
    nearest = min(modules, key=lambda module: len(_missing(root, module)))
    missing = _missing(root, nearest)
    lacks = f"It lacks {_shown(missing)}." if missing else "Its files do not pair."
    return (
        f"{root}: no images with masks are found. It holds {_content(root)}. "
        f"The nearest layout is {nearest.NAME}. {lacks} It looks so:\n{nearest.TREE}"
        f"Other layouts: {', '.join(x for x in LAYOUTS if x != nearest.NAME)}; "
        "--layout chooses one."
    )


def _shown(signs: list[str]) -> str:
    """Patterns as a sentence names them: alternatives by "or"."""
    return " and ".join(sign.replace("**/", "").replace("|", " or ") for sign in signs)


def _missing(root: Path, module: ModuleType) -> list[str]:
    return [
        sign
        for sign in module.SIGNS
        if not any(any(root.glob(pattern)) for pattern in sign.split("|"))
    ]


def _content(root: Path) -> str:
    """Names at the top of a folder, and the number of images below it."""
    inner = sorted(path.name + "/" * path.is_dir() for path in root.iterdir())
    more = f" and {len(inner) - _MOST_SHOWN} more" if len(inner) > _MOST_SHOWN else ""
    images = sum(
        path.suffix.lower() in IMAGE_SUFFIXES
        for folder in folders_below(root)
        for path in folder.iterdir()
    )
    return f"{', '.join(inner[:_MOST_SHOWN])}{more}; {images} images at any depth"


__all__ = [
    "LAYOUTS",
    "PART_NAMES",
    "CodeNames",
    "GivenSplit",
    "ImagePair",
    "Layout",
    "find_layout",
    "holds_masks",
]
