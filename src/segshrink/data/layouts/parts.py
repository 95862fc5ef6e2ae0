"""Names of folders and lists that say to which part of a split images belong."""

from collections.abc import Iterable

from segshrink.data.layouts.layout import PART_NAMES, GivenSplit
from segshrink.data.names import composed

_ALIASES = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "tst"),
}
_PART_OF = {alias: part for part, names in _ALIASES.items() for alias in names}


def part_of(name: str) -> str | None:
    """`train`, `val` or `test` if a folder or list of this name says so, else None."""
    return _PART_OF.get(name.lower())


def named_part(folders: Iterable[str]) -> tuple[str | None, list[str]]:
    """The part that a path's folders name, and the other folders, composed.

    The first folder that names a part decides; later ones are kept.
    """
    part, others = None, []
    for folder in folders:
        found = part_of(folder) if part is None else None
        if found is None:
            others.append(composed(folder))
        else:
            part = found
    return part, others


def split_by_parts(
    scene_parts: Iterable[tuple[str, str | None]], source: str
) -> GivenSplit | None:
    """The split that parts of scenes make; None if they make none.

    Args:
        scene_parts: each scene with its part, None for a scene in no part.
        source: what gives the parts, such as "folders".

    A lone part is no split: then all images are to be divided.
    """
    parts: dict[str, dict[str, None]] = {}
    for scene, part in scene_parts:
        if part is not None:
            parts.setdefault(part, {})[scene] = None
    if len(parts) < 2:
        return None
    ordered = {part: tuple(parts[part]) for part in PART_NAMES if part in parts}
    return GivenSplit(source, ordered)
