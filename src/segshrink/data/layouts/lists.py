"""List files: which images belong to a part, or which image belongs to which mask."""

import re
from collections.abc import Sequence
from pathlib import Path

from segshrink.data.layouts.parts import part_of
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


def stems_of(entries: Sequence[tuple[str, ...]]) -> list[str]:
    """Names of the images of a list without folders and endings."""
    return [re.sub(r"\.[A-Za-z0-9]{2,5}$", "", Path(each[0]).name) for each in entries]
