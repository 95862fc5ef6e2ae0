"""Reading of masks: from colours or indices on disk to labels."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from segshrink.data.classes import UNDECLARED, Classes, show_code
from segshrink.data.drawn import DrawnMask
from segshrink.data.images import SourceFile
from segshrink.data.mask_files import MaskReading, read_codes, resized_codes
from segshrink.data.snapping import nearest_codes
from segshrink.errors import DatasetError

_PLAIN = MaskReading()
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
        codes, places, _ = self._unique
        pixels = np.zeros(len(codes), np.int64)
        np.add.at(pixels, places, self.lengths)
        return dict(zip(codes.tolist(), pixels.tolist(), strict=True))

    def count_runs(self) -> dict[int, int]:
        """Runs of each code that occurs."""
        codes, _, runs = self._unique
        return dict(zip(codes.tolist(), runs.tolist(), strict=True))

    @cached_property
    def _unique(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.unique(self.codes, return_inverse=True, return_counts=True)


def find_runs(codes: npt.NDArray[np.uint32]) -> Runs:
    """Runs of equal values of an array `(height, width)`, rows one after the other."""
    flat = codes.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate([[0], changes])
    lengths = np.diff(starts, append=flat.size)
    height, width = codes.shape
    return Runs(flat[starts], lengths, (height, width))


def read_mask(
    file: SourceFile | DrawnMask,
    *,
    by_index: bool,
    reading: MaskReading = _PLAIN,
    size: tuple[int, int] | None = None,
) -> Runs:
    """The codes of a mask.

    Args:
        file: the mask, or shapes, which are indices.
        by_index: True to read indices; False to read colours, of a palette those of its
            entries.
        reading: how masks of this data set are read.
        size: (height, width) to resize to where `reading.resizes`.

    Returns:
        The mask as runs of codes.

    Raises:
        DatasetError: as `read_codes`.
    """
    if isinstance(file, DrawnMask):
        codes = file.draw()
    else:
        codes = read_codes(file, reading, by_index=by_index)
    if reading.resizes and size is not None and codes.shape != size:
        codes = resized_codes(codes, size)
    runs = find_runs(codes)
    if not reading.snap_codes:
        return runs
    snapped = nearest_codes(runs.codes, reading.snap_codes, by_index=by_index)
    return Runs(snapped, runs.lengths, runs.shape)


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
