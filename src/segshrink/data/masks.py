"""Reading of masks: from colours or indices on disk to labels."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segshrink.data.classes import UNDECLARED, Classes, show_code
from segshrink.data.drawn import DrawnMask
from segshrink.data.images import SourceFile, opened, raw_mode, read_image
from segshrink.data.orientation import oriented, turn_of
from segshrink.errors import DatasetError

_INDEX_MODES = ("L", "P", "1", "I", "I;16", "I;16B", "I;16L")

# Pillow stretches greyscale of 2 and 4 bits to 0-255; indices must not be stretched.
_STRETCH = {"L;2": 85, "L;4": 17}

_SHOWN_CODES = 3


@dataclass(frozen=True)
class Runs:
    """A mask as runs of equal codes in reading order.

    Masks hold large areas of one class, so that all work is done on a few thousand
    runs rather than on millions of pixels.

    Attributes:
        codes: uint32 `(runs,)`, colours as 0xRRGGBB or indices.
        lengths: int64 `(runs,)`, pixels of each run.
        shape: (height, width) in pixels.
    """

    codes: npt.NDArray[np.uint32]
    lengths: npt.NDArray[np.int64]
    shape: tuple[int, int]

    def count(self) -> dict[int, int]:
        """Pixels of each code that occurs."""
        codes, places = np.unique(self.codes, return_inverse=True)
        pixels = np.zeros(len(codes), np.int64)
        np.add.at(pixels, places, self.lengths)
        return dict(zip(codes.tolist(), pixels.tolist(), strict=True))


def find_runs(codes: npt.NDArray[np.uint32]) -> Runs:
    """Runs of equal values of an array `(height, width)`, rows one after the other."""
    flat = codes.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate([[0], changes])
    lengths = np.diff(starts, append=flat.size)
    height, width = codes.shape
    return Runs(flat[starts], lengths, (height, width))


def read_mask(file: SourceFile | DrawnMask, *, by_index: bool) -> Runs:
    """The codes of a mask.

    Args:
        file: an RGB, palette or greyscale image, or shapes, which are indices.
        by_index: True to read the values of a single channel, for a palette the
            entries' numbers; False to read colours.

    Returns:
        The mask as runs of codes.

    Raises:
        DatasetError: if the file cannot be decoded, or has several channels where
            indices are requested.
    """
    if isinstance(file, DrawnMask):
        return find_runs(file.draw())
    return find_runs(_read_indices(file) if by_index else _read_colors(file))


def _read_colors(file: SourceFile) -> npt.NDArray[np.uint32]:
    colors = read_image(file)  # (height, width, 3)
    codes: npt.NDArray[np.uint32] = colors[..., 0].astype(np.uint32)
    for channel in (1, 2):  # in place: masks are large
        codes <<= 8
        codes |= colors[..., channel]
    return codes


def _read_indices(file: SourceFile) -> npt.NDArray[np.uint32]:
    with opened(file) as image:
        if image.mode not in _INDEX_MODES:
            raise DatasetError(
                f"{file.where}: a mask of indices has one channel, this one is of kind "
                f"{image.mode!r}. Save it as greyscale, or declare its classes by "
                "`color` in dataset.yaml."
            )
        stretch = _STRETCH.get(raw_mode(image), 1)  # decoding drops the raw mode
        turn = turn_of(image)
        codes: npt.NDArray[np.uint32] = np.asarray(image).astype(np.uint32)
        codes //= stretch
        return oriented(codes, turn)


def to_labels(
    runs: Runs, classes: Classes, file: SourceFile | DrawnMask
) -> npt.NDArray[np.uint8]:
    """Labels of a mask's pixels.

    Args:
        runs: the mask's codes.
        classes: the classes of the codes.
        file: the file of the mask, for messages.

    Returns:
        uint8 array `(height, width)`: class index, or `IGNORE_INDEX` for void.

    Raises:
        DatasetError: if a code is neither class nor void.
    """
    labels = classes.lookup(runs.codes)
    if (labels == UNDECLARED).any():
        undeclared = undeclared_pixels(runs.count(), classes)
        raise DatasetError(describe_undeclared(file, undeclared, classes))
    return np.repeat(labels.astype(np.uint8), runs.lengths).reshape(runs.shape)


def undeclared_pixels(
    pixels_by_code: dict[int, int], classes: Classes
) -> dict[int, int]:
    """The part of `pixels_by_code` whose codes are neither class nor void."""
    declared = {*classes.codes, *classes.void_codes}
    return {
        code: pixels for code, pixels in pixels_by_code.items() if code not in declared
    }


def describe_undeclared(
    file: SourceFile | DrawnMask, undeclared: dict[int, int], classes: Classes
) -> str:
    """The message about codes of a mask that are neither class nor void."""
    kind = "index" if classes.by_index else "colour"
    void = "void_indices" if classes.by_index else "void_colors"
    most_first = sorted(undeclared.items(), key=lambda item: -item[1])
    listed = ", ".join(
        f"{pixels} pixel{'s have' if pixels != 1 else ' has'} {kind} "
        f"{show_code(code, by_index=classes.by_index)}"
        for code, pixels in most_first[:_SHOWN_CODES]
    )
    if len(undeclared) > _SHOWN_CODES:
        rest = sum(pixels for _, pixels in most_first[_SHOWN_CODES:])
        more = len(undeclared) - _SHOWN_CODES
        listed += f", {rest} pixels have {more} more"
    each = "which is" if len(undeclared) == 1 else "each of which is"
    return (
        f"{file.where}: {listed}, {each} not a class of this data set. "
        f"Add it to `classes` or to `{void}` in dataset.yaml."
    )
