"""Search for folders and for the image files in them."""

from collections.abc import Collection, Iterator
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
        inner = [path for path in folder.iterdir() if _is_searched(path, closed)]
        waiting += sorted(inner, reverse=True)


def _is_searched(path: Path, closed: Collection[str]) -> bool:
    hidden = path.name.startswith(".") or path.name in _IGNORED_FOLDERS
    return not hidden and path.name not in closed and path.is_dir()


def image_files(folder: Path) -> list[Path]:
    """The image files in a folder, sorted by name, without hidden ones.

    Arrays of `numpy.save` count where there is no other image: beside images they hold
    other things, such as features.
    """
    return _files(folder, IMAGE_SUFFIXES) or _files(folder, (_ARRAY_SUFFIX,))


def mask_files(folder: Path) -> list[Path]:
    """The files in a folder that may be masks, as `image_files`."""
    return _files(folder, MASK_SUFFIXES)


def _files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes
        and not path.name.startswith(".")
        and path.is_file()
    )
