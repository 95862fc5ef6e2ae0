"""Files of annotations: looking into them, reading them, and finding their images."""

import json
import mmap
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from segshrink.data.images import shown_path
from segshrink.data.layouts.parts import part_of
from segshrink.data.names import composed
from segshrink.data.walking import files_of, folders_below, image_files
from segshrink.errors import DatasetError

_WORDS = re.compile(r"[^\W\d_]+")
_MOST_BYTES = 4 << 30
IMAGE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages")


def json_files(root: Path) -> Iterator[list[Path]]:
    """The JSON files of each folder that has some, sorted, without hidden ones."""
    for folder in folders_below(root):
        files = files_of(folder, (".json",))
        if files:
            yield files


def mentions(path: Path, *words: str) -> bool:
    """Whether a file holds all of these keys of JSON, without reading it as such."""
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text,
        ):
            return all(text.find(f'"{word}"'.encode()) >= 0 for word in words)
    except (OSError, ValueError):  # an empty file cannot be mapped
        return False


def read_json(path: Path, where: str) -> object:
    """The content of a JSON file.

    Args:
        path: the file.
        where: its name in messages.

    Raises:
        DatasetError: if it is missing, damaged, nested too deeply or too large.
    """
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise DatasetError(
                f"{where}: has {size / 2**30:.1f} GiB, but at most "
                f"{_MOST_BYTES >> 30} GiB are read. Divide it into several files."
            )
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{where}: cannot be read ({error}).") from None
    except RecursionError:
        reason = "is nested too deeply"
    except MemoryError:
        reason = "does not fit into memory"
    except ValueError as error:
        reason = f"is not JSON ({error})"
    raise DatasetError(f"{where}: {reason}. Export it again.")


def shown(path: Path, root: Path) -> str:
    """The path below the data set's folder, as messages show it."""
    return shown_path(path.relative_to(root))


def part_of_folder(name: str) -> str | None:
    """The part that a folder is named after, as `train2017` is."""
    return part_of(name.rstrip("0123456789_-"))


def part_of_file(path: Path, root: Path) -> str | None:
    """The part that a file of annotations or a folder of it is named after.

    A word of the file's name is enough, as in `instances_train2017.json`.
    """
    folders = path.relative_to(root).parts[:-1]
    words = map(part_of, _WORDS.findall(path.stem))
    return next(filter(None, (*words, *map(part_of_folder, folders))), None)


class ImageIndex:
    """The image files of a folder and below, found by the names that annotations give.

    Exports keep paths of the machine that they were drawn on, so that only their ends
    count.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for folder in folders_below(root):
            for path in image_files(folder):
                self._by_name[composed(path.name)].append(path)

    @property
    def files(self) -> Iterator[Path]:
        """All image files."""
        for paths in self._by_name.values():
            yield from paths

    def beside(self, file: Path) -> list[Path]:
        """The image files in the folder of another file."""
        return image_files(file.parent)

    def find(self, name: str, *, near: Path, part: str | None = None) -> list[Path]:
        """The files that a name may mean: one, none, or several that are alike.

        Of files of the same name, those are preferred whose folders are named too, then
        those in folders of the part, then those in folders of images, then those near.

        Args:
            name: path or URL of an image, with slashes or backslashes.
            near: the file of annotations.
            part: the part of the split that the annotations belong to.
        """
        wanted = PurePosixPath(composed(name.replace("\\", "/")))
        found = self._by_name.get(wanted.name, [])
        most = max((_common_end(path, wanted) for path in found), default=0)
        tests: tuple[Callable[[Path], bool], ...] = (
            lambda path: _common_end(path, wanted) == most,
            lambda path: part in map(part_of_folder, self._folders(path)),
            lambda path: any(x.lower() in IMAGE_FOLDERS for x in self._folders(path)),
            lambda path: path.is_relative_to(near.parent),
            lambda path: path.parent == near.parent,
        )
        for test in tests:
            if len(found) > 1:
                found = [path for path in found if test(path)] or found
        return found

    def _folders(self, path: Path) -> tuple[str, ...]:
        return path.parent.relative_to(self._root).parts


def _common_end(path: Path, wanted: PurePosixPath) -> int:
    count = 0
    for own, other in zip(reversed(path.parts), reversed(wanted.parts), strict=False):
        if composed(own) != other:
            break
        count += 1
    return count
