"""Search for folders and for the image files in them."""

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from segshrink.data.images import IMAGE_SUFFIXES, MASK_SUFFIXES

# macOS leaves this shadow tree of attribute files in archives.
_IGNORED_FOLDERS = ("__MACOSX",)

_ARRAY_SUFFIX = ".npy"


def folders_below(root: Path, *, closed: Collection[str] = ()) -> Iterator[Path]:
    """Yield `root` and all folders below, following links, sorted by name.

    Each folder comes once, however many links lead to it. Hidden ones are left out.

    Args:
        root: a folder.
        closed: names of folders that are skipped with all that is below them.
    """
    seen: set[Path] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        if folder.resolve() in seen:  # a link that leads back up
            continue
        seen.add(folder.resolve())
        yield folder
        with os.scandir(folder) as entries:
            inner = [x.name for x in entries if _is_searched(x, closed)]
        waiting += [folder / name for name in sorted(inner, reverse=True)]


def _is_searched(entry: os.DirEntry[str], closed: Collection[str]) -> bool:
    hidden = entry.name.startswith(".") or entry.name in _IGNORED_FOLDERS
    return not hidden and entry.name not in closed and _leads_to(entry.is_dir)


def _leads_to(is_one: Callable[[], bool]) -> bool:
    try:
        return is_one()
    except OSError:  # a link that leads to itself
        return False


def files_of(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """The files in a folder with one of these endings in any case, sorted by name.

    Hidden files, and those that macOS adds, are left out.

    Args:
        folder: a folder.
        suffixes: endings in lower case, with their dot.
    """
    # Objects of pathlib take seconds for the files of a large data set.
    with os.scandir(folder) as entries:
        names = [
            entry.name
            for entry in entries
            if os.path.splitext(entry.name)[1].lower() in suffixes
            and not entry.name.startswith(".")
            and _leads_to(entry.is_file)
        ]
    return [folder / name for name in sorted(names)]


def image_files(folder: Path) -> list[Path]:
    """The image files in a folder, sorted by name, without hidden ones.

    Arrays of `numpy.save` count where there is no other image: beside images they hold
    other things, such as features.
    """
    return files_of(folder, IMAGE_SUFFIXES) or files_of(folder, (_ARRAY_SUFFIX,))


def mask_files(folder: Path) -> list[Path]:
    """The files in a folder that may be masks, as `image_files`."""
    return files_of(folder, MASK_SUFFIXES)
