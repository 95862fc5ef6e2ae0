"""List files: which images belong to a part, or which image belongs to which mask."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from segshrink.data.images import IMAGE_SUFFIXES
from segshrink.data.layouts.layout import GivenSplit, ImagePair
from segshrink.data.layouts.parts import part_of
from segshrink.data.names import composed
from segshrink.errors import DatasetError

_MOST_BYTES = 1 << 26


def list_files(folder: Path) -> dict[str, Path]:
    """The list of each part in a folder: `train.txt`, `val.txt`, `test.txt`."""
    if not folder.is_dir():
        return {}
    found = {}
    for path in sorted(folder.glob("*.txt")):
        part = part_of(path.stem)
        if part is not None and path.is_file():
            found[part] = path
    return {part: found[part] for part in ("train", "val", "test") if part in found}


def read_list(path: Path) -> list[tuple[str, ...]]:
    """Entries of each line: one name, or a pair of image and mask.

    Names may hold blanks if a tab or a comma parts them.

    Raises:
        DatasetError: if the file cannot be read, or a line has more than two entries.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DatasetError(f"{path}: larger than {_MOST_BYTES >> 20} MB.")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}).") from None
    entries = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            entry = _entries(line.strip())
            if len(entry) > 2:
                raise DatasetError(
                    f"{path}: line {number} must be the name of an image, or an image "
                    f"and its mask, got {line.strip()[:80]!r}."
                )
            entries.append(entry)
    return entries


def _entries(line: str) -> tuple[str, ...]:
    for separator in ("\t", ","):
        if separator in line:
            return tuple(part.strip() for part in line.split(separator) if part.strip())
    parts = line.split()
    if len(parts) <= 1 or all(Path(part).suffix for part in parts):
        return tuple(parts)
    return (line,)  # a name with blanks


def divided_by_lists(
    lists: Mapping[str, Path], pairs: Sequence[ImagePair]
) -> tuple[list[ImagePair], GivenSplit | None, list[str]]:
    """Divide images by the lists of their parts.

    An entry is the path of an image below the data set's folder, or its name alone if
    no other has it, with or without ending.

    Args:
        lists: the list of each part.
        pairs: all images.

    Returns:
        (pairs, split, faults): the images, each of which is a scene of its own if two
        lists or more divide them; the split, None if fewer do; and a fault for each
        list that cannot be read or names what is not there.
    """
    by_name = _by_name(pairs)
    parts: dict[str, tuple[str, ...]] = {}
    faults = []
    for part, path in lists.items():
        try:
            entries = [_without_ending(entry[0]) for entry in read_list(path)]
        except DatasetError as error:
            faults.append(str(error))
            continue
        found = [by_name[name].name for name in entries if name in by_name]
        missing = [name for name in entries if name not in by_name]
        if missing:
            faults.append(
                f"{path}: names {len(missing)} images that have no mask or are not "
                f"there, such as {missing[0]}. Add them, or take them out of the list."
            )
        if found:
            parts[part] = tuple(dict.fromkeys(found))
    if len(parts) < 2:
        return list(pairs), None, faults
    source = f"lists {' and '.join(path.name for path in lists.values())}"
    alone = [replace(pair, scene=pair.name) for pair in pairs]
    return alone, GivenSplit(source, parts), faults


def _by_name(pairs: Sequence[ImagePair]) -> dict[str, ImagePair]:
    """Images by their path, and by their name alone where it is the only such."""
    stems = Counter(_without_ending(Path(pair.image.where).name) for pair in pairs)
    found = {}
    for pair in pairs:
        place = _without_ending(pair.image.where)
        stem = place.rpartition("/")[2]
        found[place] = pair
        if stems[stem] == 1:
            found[stem] = pair
    return found


def _without_ending(path: str) -> str:
    """A path in a list, composed, without `./` and the ending of an image."""
    name = composed(path.replace("\\", "/").removeprefix("./"))
    suffix = Path(name).suffix.lower()
    return name[: -len(suffix)] if suffix in IMAGE_SUFFIXES else name
