"""A checksum that an exported file carries of itself, so that damage is found.

It stands in the file's metadata as `segshrink-sha256-` and 64 hexadecimal digits. It is
the SHA-256 of the file's bytes with zeros in place of these digits, so that it needs no
knowledge of the format; that of an OpenVINO model covers its `.bin` as well.
"""

import hashlib
import re
from enum import StrEnum
from pathlib import Path

from segshrink.records import atomic_write
from segshrink.records.files import model_files

KEY = "checksum"
_PREFIX = b"segshrink-sha256-"
_WRITTEN = re.compile(_PREFIX + rb"([0-9a-f]{64})")
_NO_DIGITS = b"0" * 64
PLACEHOLDER = (_PREFIX + _NO_DIGITS).decode()


class Checksum(StrEnum):
    """State of a file by the checksum in it."""

    MISSING = "missing"
    """It carries none, as files from elsewhere and of earlier versions."""
    FITS = "fits"
    DIFFERS = "differs"
    """Its bytes are not those that were written."""


def fill_in(path: Path) -> None:
    """Replace the placeholder in the metadata of a file by the file's checksum."""
    content = path.read_bytes()
    digest = _digest(path, content).encode()
    with atomic_write(path) as partial:
        partial.write_bytes(_WRITTEN.sub(_PREFIX + digest, content))


def checksum_of(path: Path) -> Checksum:
    """Whether a file's bytes are those that segshrink wrote.

    Raises:
        OSError: if it cannot be read.
    """
    content = path.read_bytes()
    written = set(_WRITTEN.findall(content)) - {_NO_DIGITS}
    if not written:
        return Checksum.MISSING
    fits = written == {_digest(path, content).encode()}
    return Checksum.FITS if fits else Checksum.DIFFERS


def _digest(path: Path, content: bytes) -> str:
    digest = hashlib.sha256(_WRITTEN.sub(PLACEHOLDER.encode(), content))
    for weights in model_files(path)[1:]:
        digest.update(weights.read_bytes())
    return digest.hexdigest()
