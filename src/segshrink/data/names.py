"""Names of files and scenes, which are compared in one Unicode form.

macOS decomposes letters in file names (e followed by an accent) where other systems
keep them composed, so that an archive may hold the same name in both forms.
"""

import unicodedata
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
