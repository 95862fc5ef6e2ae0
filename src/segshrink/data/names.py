"""Names of files and scenes, which are compared in one Unicode form.

macOS decomposes letters in file names (e followed by an accent) where other systems
keep them composed, so that an archive may hold the same name in both forms.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path


def composed(name: str) -> str:
    """The name with composed letters (Unicode form NFC).

    Characters that stand for bytes which are not UTF-8 stay as they are.
    """
    return unicodedata.normalize("NFC", name)


def pairing_stem(path: Path) -> str:
    """The name by which an image and its mask belong together.

    It is the file's name without its last ending, in upper or lower case, with
    composed letters: `Köln.JPG` and `Köln.png` are a pair in whichever form their
    names are stored. Case, spaces and brackets before the ending count.
    """
    return composed(path.stem)


def first_of_bands(paths: Iterable[Path], endings: Sequence[str]) -> list[Path]:
    """The file of the first band of each image, of files of one band each.

    Args:
        paths: files.
        endings: endings of their names, one for each band; with none, every file is an
            image.
    """
    return [path for path in paths if not endings or path.stem.endswith(endings[0])]


def image_stem(path: Path, endings: Sequence[str]) -> str:
    """`pairing_stem` of an image, without the ending of its first band."""
    stem = pairing_stem(path)
    return stem.removesuffix(endings[0]) if endings else stem
