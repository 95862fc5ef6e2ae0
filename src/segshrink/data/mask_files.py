"""Codes of mask files, in the many ways in which people save masks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from segshrink.data.images import SourceFile, opened, raw_mode
from segshrink.data.orientation import oriented, turn_of
from segshrink.errors import DatasetError

Codes = npt.NDArray[np.uint32]

LARGEST_INDEX = 65535

_DEEP_MODES = ("I;16", "I;16B", "I;16L", "I;16N")
_INDEX_MODES = ("L", "LA", "P", "PA", "1", "I", "F", *_DEEP_MODES)
_COLOR_MODES = ("RGB", "RGBA")

# Pillow stretches greyscale of 2 and 4 bits to 0-255; indices must not be stretched.
_STRETCH = {"L;2": 85, "L;4": 17}


@dataclass(frozen=True)
class MaskReading:
    """How the masks of a data set are read, beside whether they hold indices.

    Attributes:
        from_alpha: whether their alpha channel is the mask.
        grey_levels: whether indices are the levels 0 to 255 of greyscale, to which
            masks of 1 bit and palettes of greys are expanded: GIF and programs that
            shrink PNGs store black and white so.
        snap_codes: codes to the nearest of which pixels are snapped; empty to keep
            them all.
        resizes: whether masks of another size than their image are resized to it.
    """

    from_alpha: bool = False
    grey_levels: bool = False
    snap_codes: tuple[int, ...] = ()
    resizes: bool = False


def read_codes(file: SourceFile, reading: MaskReading, *, by_index: bool) -> Codes:
    """The code of each pixel of a mask, as viewers show it, before any snapping.

    Indices are the values of a file with one channel, of which alpha is dropped; whole
    numbers of up to 16 bits are taken in any type. A file of three channels holds
    indices if the channels are equal. A palette counts for colours only. Of an
    animation the first frame counts.

    Args:
        file: the mask.
        reading: how it is read.
        by_index: True for indices, False for colours as 0xRRGGBB.

    Returns:
        uint32 array `(height, width)`.

    Raises:
        DatasetError: if the file cannot be decoded, or holds no codes of this kind.
    """
    with opened(file) as image:
        turn = turn_of(image)
        if reading.from_alpha:
            codes = _alpha(image, by_index=by_index)
        elif by_index:
            codes = _indices(image, file, grey_levels=reading.grey_levels)
        else:
            codes = _colors(image, file)
    return oriented(codes, turn)


def pack_channels(colors: npt.NDArray[np.uint8]) -> Codes:
    """Colours `(..., 3)` as codes 0xRRGGBB of shape `(...)`."""
    codes: Codes = colors[..., 0].astype(np.uint32)
    for channel in (1, 2):  # in place: masks are large
        codes <<= 8
        codes |= colors[..., channel]
    return codes


def resized_codes(codes: Codes, size: tuple[int, int]) -> Codes:
    """Codes `(height, width)` at another size, each that of the nearest pixel.

    The centre of a pixel takes the code of the pixel that it falls on.
    """
    rows, columns = (
        ((2 * np.arange(new) + 1) * old // (2 * new))
        for old, new in zip(codes.shape, size, strict=True)
    )
    return codes[np.ix_(rows, columns)]


def _alpha(image: Image.Image, *, by_index: bool) -> Codes:
    alpha = np.asarray(image.convert("RGBA"))[..., 3].astype(np.uint32)
    return alpha if by_index else alpha * np.uint32(0x010101)


def _colors(image: Image.Image, file: SourceFile) -> Codes:
    if image.mode in _DEEP_MODES:
        grey = (np.asarray(image) >> 8).astype(np.uint32)
        return grey * np.uint32(0x010101)
    if image.mode not in (*_COLOR_MODES, "1", "L", "LA", "P", "PA"):
        raise DatasetError(
            f"{file.where}: a mask of colours is RGB, greyscale or has a palette, this "
            f"one is of kind {image.mode!r}. Save it as RGB with 8 bits per channel, "
            "or declare its classes by `index` in dataset.yaml."
        )
    is_rgb = image.mode == "RGB"  # whose conversion is a copy
    return pack_channels(np.asarray(image if is_rgb else image.convert("RGB")))


def _indices(image: Image.Image, file: SourceFile, *, grey_levels: bool) -> Codes:
    if image.mode in (*_COLOR_MODES, "LA") and ";16" in raw_mode(image):
        raise DatasetError(
            f"{file.where}: a mask of indices with several channels of 16 bits, of "
            "which the lower ones would be lost. Save it as greyscale, or with 8 bits."
        )
    if image.mode in _COLOR_MODES:
        return _equal_channels(np.asarray(image), file)
    if image.mode not in _INDEX_MODES:
        raise DatasetError(
            f"{file.where}: a mask of indices has one channel, this one is of kind "
            f"{image.mode!r}. Save it as greyscale, or declare its classes by `color` "
            "in dataset.yaml."
        )
    stretch = _STRETCH.get(raw_mode(image), 1)  # decoding drops the raw mode
    values = np.asarray(image)
    if values.ndim == 3:  # alpha beside the only channel
        values = values[..., 0]
    if image.mode in ("I", "F"):
        _require_indices(values, file)
    codes: Codes = values.astype(np.uint32)
    codes //= stretch
    return _grey_levels(image, codes) if grey_levels else codes


def _grey_levels(image: Image.Image, codes: Codes) -> Codes:
    if image.mode == "1":
        return codes * np.uint32(255)
    if image.mode not in ("P", "PA"):
        return codes
    palette = np.array(image.getpalette("RGB"), np.uint32).reshape(-1, 3)
    if codes.max(initial=0) >= len(palette):  # indices without a colour are no greys
        return codes
    used = palette[np.unique(codes)]
    is_grey = (used == used[:, :1]).all()
    return palette[codes, 0] if is_grey else codes


def _equal_channels(pixels: npt.NDArray[np.uint8], file: SourceFile) -> Codes:
    first = pixels[..., 0]
    if not all(np.array_equal(first, pixels[..., channel]) for channel in (1, 2)):
        raise DatasetError(
            f"{file.where}: a mask of indices has one channel, or three that are "
            "equal, but this one has colours. Save it as greyscale, or declare its "
            "classes by `color` in dataset.yaml."
        )
    return first.astype(np.uint32)


def _require_indices(values: npt.NDArray, file: SourceFile) -> None:
    # NaN fails this comparison, too.
    fractions = values[~(values == np.round(values))]
    if fractions.size:
        raise DatasetError(
            f"{file.where}: a mask of indices holds whole numbers, but "
            f"{fractions.size} pixels of this one do not, such as "
            f"{fractions.flat[0]:g}. Round them, or save the mask that it was computed "
            "from."
        )
    low, high = values.min(), values.max()
    if low < 0 or high > LARGEST_INDEX:
        raise DatasetError(
            f"{file.where}: indices are 0 to {LARGEST_INDEX}, but this mask holds "
            f"{low:g} to {high:g}. Save it with other numbers."
        )
