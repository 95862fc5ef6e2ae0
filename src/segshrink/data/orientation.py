"""Orientation of an image as its EXIF block gives it, and as viewers apply it.

Cameras store pixels as the sensor gave them and write beside them how to turn them.
"""

import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

UPRIGHT = 1

_ORIENTATION_TAG = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_PNG_SIGNATURE_BYTES = 8


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation of an image that was opened from a file, without decoding.

    It stands in the EXIF block of a JPEG, PNG or WebP, and in a tag of a TIFF.

    Returns:
        1 to 8 as EXIF numbers them; 1 (upright) if there is none or it is unknown.
    """
    tags = getattr(image, "tag_v2", None)  # of a TIFF
    value = (
        _in_block(_exif_block(image)) if tags is None else tags.get(_ORIENTATION_TAG)
    )
    is_known = isinstance(value, int) and UPRIGHT <= value <= max(_SIDEWAYS)
    return cast(int, value) if is_known else UPRIGHT


def turn_of(image: Image.Image, orientation: int | None = None) -> int:
    """The orientation that is still to be applied to Pillow's size and pixels.

    Pillow applies that of a TIFF itself.

    Args:
        image: an image that was opened from a file.
        orientation: its `orientation_of`, if that is known.
    """
    if image.format == "TIFF":
        return UPRIGHT
    return orientation_of(image) if orientation is None else orientation


def shown_size(height_px: int, width_px: int, orientation: int) -> tuple[int, int]:
    """Height and width of an image as viewers show it, from those that are stored."""
    if orientation in _SIDEWAYS:
        return width_px, height_px
    return height_px, width_px


def oriented(pixels: npt.NDArray, orientation: int) -> npt.NDArray:
    """Pixels `(height, width, ...)` as viewers show them, from those that are stored.

    Args:
        pixels: array of at least two axes.
        orientation: 1 to 8 as EXIF numbers them.

    Returns:
        Array of the same type, contiguous; height and width are exchanged for 5 to 8.
    """
    mirrored = orientation in (2, 4, 5, 7)
    quarter_turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)
    turned = np.rot90(pixels[:, ::-1] if mirrored else pixels, quarter_turns)
    return np.ascontiguousarray(turned)


def _in_block(block: bytes | None) -> object:
    if not block:
        return None
    exif = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a damaged block turns nothing
            exif.load(block)
            return exif.get(_ORIENTATION_TAG)
    except Exception:
        # Pillow raises errors of any kind on a damaged block.
        return None


def _exif_block(image: Image.Image) -> bytes | None:
    block = image.info.get("exif")
    if block is None and image.format == "PNG":
        # It may follow the pixels, where Pillow sees it after decoding only.
        return _block_of_png(Path(image.filename))  # type: ignore[attr-defined]
    return block


def _block_of_png(path: Path) -> bytes | None:
    with path.open("rb") as file:
        for kind, length in _chunks(file):
            if kind == b"eXIf":
                return file.read(length)
    return None


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Kinds and lengths of a PNG's chunks; the file stands at the content of each."""
    start = _PNG_SIGNATURE_BYTES
    file.seek(start)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        yield kind, length
        start += length + 12  # length, kind and checksum are 4 bytes each
        file.seek(start)
