"""Reading of image files as RGB, with a clear fault for each unreadable file."""

import os
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from traceback import walk_tb
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from segshrink.data.geotiff import read_bands
from segshrink.data.orientation import (
    UPRIGHT,
    orientation_of,
    oriented,
    shown_size,
    turn_of,
)
from segshrink.data.pictures import as_rgb
from segshrink.errors import DatasetError
from segshrink.reading import irregular

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
MASK_SUFFIXES = (*IMAGE_SUFFIXES, ".gif")

GREYSCALE = "greyscale, turned to RGB"
ALPHA = "an alpha channel, which is dropped"
SIXTEEN_BIT = "more than 8 bits per channel, scaled to 8 from the depth that occurs"
PALETTE = "a palette, turned to RGB"
ROTATED = "an EXIF orientation, which is applied: pixels are taken as viewers show them"

_SIXTEEN_BIT_MODES = ("I;16", "I;16B", "I;16L")
_CONVERSIONS: dict[str, tuple[str, ...]] = {
    "RGB": (),
    "L": (GREYSCALE,),
    "1": (GREYSCALE,),
    "LA": (GREYSCALE, ALPHA),
    "P": (PALETTE,),
    "PA": (PALETTE, ALPHA),
    "RGBA": (ALPHA,),
} | dict.fromkeys(_SIXTEEN_BIT_MODES, (GREYSCALE, SIXTEEN_BIT))

# The last bytes of a whole file; anything may follow them (phones append films).
_END_MARKS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_END_BYTES = 64

# Numbers of the bands of red, green and blue in a file, by its channels.
_BANDS_OF_COLOR = {"RGB": (1, 2, 3), "RGBA": (1, 2, 3), "LA": (1, 1, 1)}
# A picture that reaches this grey level needs all of its 16 bits.
_HALF = 128


@dataclass(frozen=True)
class SourceFile:
    """A file of a data set, or a photograph by itself.

    Attributes:
        path: its path.
        where: its name in messages, in a data set relative to its folder.
        is_paired: whether it is an image with a mask, or a mask; messages then advise
            about both.
        reader: reads it by its bands; None for a plain picture, which becomes RGB.
    """

    path: Path
    where: str
    is_paired: bool = True
    reader: "PixelReader | None" = field(default=None, kw_only=True)


class PixelReader(Protocol):
    """Reads files that are more than a picture; see `data.band_reading`."""

    def header(self, file: SourceFile) -> "ImageHeader":
        """Size and pixel format of the file."""

    def check(self, file: SourceFile) -> None:
        """Find a truncated file, mostly without decoding it."""

    def read(
        self, file: SourceFile
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]:
        """Grey levels `(height, width, bands)`, and which pixels have data."""


@dataclass(frozen=True)
class ImageHeader:
    """Header of an image file, known before any pixel is decoded.

    Attributes:
        height_px: height in pixels as viewers show it, at least 1.
        width_px: width in pixels as viewers show it, at least 1.
        mode: Pillow's name of the pixel format, such as "RGB" or "P".
        conversions: changes that `read_image` makes, such as `GREYSCALE`.
        orientation: 1 to 8 as EXIF numbers them; 1 is stored as it is shown.
        format: Pillow's name of the file's format, such as "JPEG".
    """

    height_px: int
    width_px: int
    mode: str
    conversions: tuple[str, ...]
    orientation: int = UPRIGHT
    format: str = ""


@contextmanager
def opened(file: SourceFile) -> Iterator[Image.Image]:
    """Open a file as a Pillow image, reading only its header.

    Raises:
        DatasetError: if the file is missing, damaged or too large, also where only
            decoding inside the block shows it.
    """
    both = "it and its counterpart" if file.is_paired else "it"
    try:
        with _opened_by_pillow(file.path) as image:
            yield image
    except FileNotFoundError:
        raise DatasetError(f"{file.where}: no such file.") from None
    except UnidentifiedImageError:
        raise DatasetError(
            f"{file.where}: not an image that can be read, or damaged from its "
            f"beginning. Download or export it again, or remove {both}."
        ) from None
    except Image.DecompressionBombError as error:
        raise DatasetError(
            f"{file.where}: too large to decode at once "
            f"({str(error).partition(',')[0]}). {_smaller(file)}"
        ) from None
    except Exception as error:
        if not _is_of_decoding(error):
            raise
        reason = str(error) or type(error).__name__
        raise DatasetError(
            f"{file.where}: cannot be decoded ({reason}). Download or export it again, "
            f"or remove {both}."
        ) from error


def _is_of_decoding(error: Exception) -> bool:
    """Whether an error is Pillow's: on a damaged file it raises errors of any kind."""
    if isinstance(error, OSError | SyntaxError | EOFError | struct.error | zlib.error):
        return True
    modules = (x.f_globals.get("__name__", "") for x, _ in walk_tb(error.__traceback__))
    return any(name.partition(".")[0] == "PIL" for name in modules)


def _opened_by_pillow(path: Path) -> Image.Image:
    kind = irregular(path)
    if kind is not None:
        raise OSError(f"{kind}, where a regular file must be")
    with warnings.catch_warnings():
        # Pillow warns at half of the size that it refuses, which photographs may have,
        # and of damaged tags, which do not matter to the pixels.
        warnings.simplefilter("ignore")
        image = Image.open(path)
    if image.format == "TIFF" and orientation_of(image) != UPRIGHT:
        # Of a file with a name Pillow maps the pixels into memory, wrongly for one that
        # lies on its side (seen in 13.0).
        image.filename = ""
    return image


def _smaller(file: SourceFile) -> str:
    if file.is_paired:
        return "Cut it, and its counterpart, into smaller images."
    return (
        "Cut it into smaller images, or save it as a georeferenced .tif: such scenes "
        "are read by windows, at any size."
    )


def shown_path(path: Path) -> str:
    """The path with forward slashes; bytes that are not UTF-8 as hexadecimal codes."""
    return os.fsencode(path.as_posix()).decode(errors="backslashreplace")


def name_fault(path: Path) -> str | None:
    """The fault of a path that is not UTF-8, as records must be; None if it is.

    Such names come from archives that were packed under another encoding.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return f"{shown_path(path)}: this name is not valid UTF-8. Rename it."
    return None


def read_header(file: SourceFile, *, by_index: bool = False) -> ImageHeader:
    """Size and pixel format of an image, without decoding it.

    Args:
        file: an image or a mask.
        by_index: whether it is a mask of indices, which are not converted; for
            them `read_mask` checks the format, and alpha is dropped.

    Raises:
        DatasetError: if the file is not a readable image, or of an unsupported format.
    """
    if file.reader is not None:
        return file.reader.header(file)
    with opened(file) as image:
        orientation = orientation_of(image)
        turn = turn_of(image, orientation)
        height_px, width_px = shown_size(image.height, image.width, turn)
        conversions = _dropped(image) if by_index else _conversions(image, file)
        if orientation != UPRIGHT and not by_index:
            conversions += (ROTATED,)
        return ImageHeader(
            height_px=height_px,
            width_px=width_px,
            mode=image.mode,
            conversions=conversions,
            orientation=orientation,
            format=image.format or "",
        )


def _dropped(image: Image.Image) -> tuple[str, ...]:
    return (ALPHA,) if image.mode in ("LA", "PA", "RGBA") else ()


def _conversions(image: Image.Image, file: SourceFile) -> tuple[str, ...]:
    conversions = _known_conversions(image, file)
    if image.mode == "RGB" and _is_sixteen_bit(image):
        conversions += (SIXTEEN_BIT,)
    return conversions


def _known_conversions(image: Image.Image, file: SourceFile) -> tuple[str, ...]:
    if image.mode not in _CONVERSIONS:
        raise DatasetError(
            f"{file.where}: pixels are of kind {image.mode!r}, but must be RGB, "
            "greyscale or palette. Save it as RGB with 8 bits per channel."
        )
    return _CONVERSIONS[image.mode]


def conversion_notices(counts: Mapping[tuple[str, str], int]) -> tuple[str, ...]:
    """A sentence for each kind of conversion, sorted.

    Args:
        counts: numbers of files by what they are, such as "mask", and by conversion.
    """
    return tuple(
        f"{count} {what}{'s have' if count > 1 else ' has'} {conversion}."
        if not conversion.startswith("greyscale")
        else f"{count} {what}{'s are' if count > 1 else ' is'} {conversion}."
        for (what, conversion), count in sorted(counts.items())
    )


def raw_mode(image: Image.Image) -> str:
    """Pillow's name of the pixel format on disk, such as "RGB;16B"; "" if unknown."""
    if not getattr(image, "tile", None):
        return ""
    arguments = image.tile[0][3]  # type: ignore[attr-defined]
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _is_sixteen_bit(image: Image.Image) -> bool:
    # Pillow has no 16-bit RGB mode and silently drops the lower bits.
    return ";16" in raw_mode(image)


def read_image(file: SourceFile) -> npt.NDArray[np.uint8]:
    """The whole image as RGB.

    Greyscale and palettes become RGB, and alpha is dropped. Files of 16 bits are scaled
    from the depth that occurs in them: 8, 10, 12, 14 or 16 bits become 0 to 255. Pixels
    are as viewers show them: an EXIF orientation is applied. A file with a reader has
    the bands that this gives.

    Returns:
        uint8 array `(height, width, 3)`, or `(height, width, bands)` with a reader.

    Raises:
        DatasetError: if the file cannot be decoded or its format is not supported.
    """
    if file.reader is not None:
        return file.reader.read(file)[0]
    with opened(file) as image:
        _known_conversions(image, file)
        turn = turn_of(image)
        if image.mode in _SIXTEEN_BIT_MODES:
            grey = _eight_bits(oriented(np.asarray(image), turn))
            return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
        stored = orientation_of(image)
        channels, _, depth = raw_mode(image).partition(";")
        bands = _BANDS_OF_COLOR.get(channels) if depth.startswith("16") else None
        pixels = oriented(np.array(image.convert("RGB")), turn)
    if bands is not None and pixels.max() < _HALF:
        # Pillow dropped the lower bits, which hold most of a picture of few bits; it
        # turns a TIFF itself, and rasterio nothing.
        return _eight_bits(oriented(read_bands(file.path, bands), stored))
    return pixels


def _eight_bits(values: npt.NDArray) -> npt.NDArray[np.uint8]:
    """Grey levels 0 to 255 of values of 8, 10, 12, 14 or 16 bits, which holds them."""
    bits = max(8, int(values.max()).bit_length())
    most = 2 ** (bits + bits % 2) - 1
    return np.rint(values * (255 / most)).astype(np.uint8)


def read_pixels(
    file: SourceFile,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]:
    """The whole image, and which of its pixels have data.

    Returns:
        (pixels, has_data): uint8 `(height, width, bands)` as of `read_image`, and bool
        `(height, width)`; None if all have.

    Raises:
        DatasetError: as `read_image`.
    """
    if file.reader is not None:
        return file.reader.read(file)
    return read_image(file), None


def read_thumbnail(file: SourceFile, side_px: int) -> npt.NDArray[np.uint8]:
    """The whole image as RGB, squeezed into a small square.

    A JPEG is decoded at a fraction of its size.

    Args:
        file: the image.
        side_px: side of the square in pixels.

    Returns:
        uint8 array `(side_px, side_px, 3)`.

    Raises:
        DatasetError: as `read_image`.
    """
    if file.reader is not None:
        return squeezed(Image.fromarray(as_rgb(read_image(file))), side_px)
    with opened(file) as image:
        _known_conversions(image, file)
        if image.mode not in _SIXTEEN_BIT_MODES:
            turn = turn_of(image)
            image.draft("RGB", (2 * side_px, 2 * side_px))
            return oriented(squeezed(image.convert("RGB"), side_px), turn)
    return squeezed(Image.fromarray(read_image(file)), side_px)


def squeezed(image: Image.Image, side_px: int) -> npt.NDArray[np.uint8]:
    """An RGB image in a small square, `(side_px, side_px, 3)`."""
    return np.asarray(image.resize((side_px, side_px), Image.Resampling.BILINEAR))


def check_whole(file: SourceFile) -> None:
    """Find a truncated JPEG or PNG, mostly without decoding it.

    A file with the end mark of its format counts as whole; any other is decoded.

    Raises:
        DatasetError: if the file is cut off.
    """
    if file.reader is not None:
        file.reader.check(file)
        return
    with opened(file) as image:
        end_mark = _END_MARKS.get(image.format or "")
        if end_mark is not None and end_mark not in _last_bytes(file.path):
            image.load()


def _last_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _END_BYTES))
        return file.read()
