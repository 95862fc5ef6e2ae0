"""Noise around the codes of masks, as compression and interpolation leave it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_NEAR = 40
"""Codes are near if no channel differs by more; the noise of JPEG is mostly so."""

_SHORT_RUN_PX = 2.5
"""Mean length of the runs of a code that is scattered over single pixels."""

_LONG_RUN_PX = 4
_RARE_SHARE = 0.01
_RAREST_SHARE = 0.001
_LEAST_SCATTERED = 3
_LEAST_NEAR_SHARE = 0.5

# The most frequent codes alone can be common; photographs have a million.
_MOST_CODES = 4096


@dataclass(frozen=True)
class CodeCounts:
    """Codes of masks, the most frequent first.

    Attributes:
        codes: int64 `(codes,)`.
        pixels: int64 `(codes,)`, pixels of each.
        runs: int64 `(codes,)`, runs of equal pixels in reading order of each.
        by_index: whether codes are indices rather than colours 0xRRGGBB.
    """

    codes: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]
    runs: npt.NDArray[np.int64]
    by_index: bool

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """Share of each code in all pixels."""
        return self.pixels / max(1, self.pixels.sum())


def count_codes(
    pixels: dict[int, int], runs: dict[int, int], *, by_index: bool
) -> CodeCounts:
    """The counts of codes that have as many pixels and runs."""
    order = sorted(pixels, key=lambda code: (-pixels[code], code))
    return CodeCounts(
        np.array(order, np.int64),
        np.array([pixels[code] for code in order], np.int64),
        np.array([runs[code] for code in order], np.int64),
        by_index,
    )


def scattered_codes(counts: CodeCounts, declared: Iterable[int] = ()) -> list[int]:
    """Codes that occur in single pixels only, as noise does and classes do not.

    A code is scattered if its mean run is shorter than 2.5 pixels and it either has
    less than 1 % of all pixels, or is near a code that has four times as many.

    Args:
        counts: all codes.
        declared: codes that are none of them, whatever their pixels.
    """
    kept: list[int] = []  # positions, the most frequent first
    scattered = []
    known, values = set(declared), _channels(counts.codes, counts.by_index)
    short = counts.pixels < _SHORT_RUN_PX * counts.runs
    rare = counts.shares < _RARE_SHARE

    def is_noise(place: int) -> bool:
        if rare[place]:
            return True
        more = [x for x in kept if counts.pixels[x] >= 4 * counts.pixels[place]]
        return _is_near(values[place], values[more])

    for place, code in enumerate(counts.codes.tolist()):
        if code not in known and short[place] and is_noise(place):
            scattered.append(code)
        else:
            kept.append(place)
    return scattered


def common_codes(counts: CodeCounts, declared: Iterable[int] = ()) -> list[int]:
    """The codes around which the others are noise.

    From the most frequent on, those that are not near an earlier one, and have either
    1 % of all pixels, or 0.1 % and runs of 4 pixels on average.

    Args:
        counts: all codes.
        declared: codes that come first in any case.
    """
    common = list(declared)
    for code, share, pixels, runs in zip(
        counts.codes[:_MOST_CODES].tolist(),
        counts.shares,
        counts.pixels,
        counts.runs,
        strict=False,
    ):
        has_area = share >= _RAREST_SHARE and pixels >= _LONG_RUN_PX * runs
        if not (share >= _RARE_SHARE or has_area):
            continue
        own, others = (
            _channels(np.array(each, np.int64), counts.by_index)
            for each in ([code], common)
        )
        if not _is_near(own, others):
            common.append(code)
    return common


def is_noisy(counts: CodeCounts, declared: Iterable[int] = ()) -> bool:
    """Whether masks were compressed or interpolated: noise about few common codes.

    At least three codes are scattered and most codes are, and half of all pixels are
    near a common code, which tells such masks from photographs.
    """
    declared = tuple(declared)
    scattered = scattered_codes(counts, declared)
    if len(scattered) < max(_LEAST_SCATTERED, len(counts.codes) - len(scattered) + 1):
        return False
    common = np.array(common_codes(counts, declared), np.int64)
    if not common.size:
        return False
    nearest = nearest_codes(counts.codes, common.tolist(), by_index=counts.by_index)
    apart = np.abs(
        _channels(counts.codes, counts.by_index)
        - _channels(nearest.astype(np.int64), counts.by_index)
    ).max(axis=1)
    return bool(counts.shares[apart <= _NEAR].sum() >= _LEAST_NEAR_SHARE)


def nearest_codes(
    codes: npt.NDArray[np.integer], targets: Sequence[int], *, by_index: bool
) -> npt.NDArray[np.uint32]:
    """The nearest of some codes to each code, of equally near ones the first.

    Args:
        codes: `(codes,)`.
        targets: at least one code.
        by_index: whether codes are indices; otherwise the distance is that of colours
            in RGB.

    Returns:
        uint32 array `(codes,)`.
    """
    unique, places = np.unique(np.asarray(codes, np.int64), return_inverse=True)
    goals = np.array(targets, np.int64)
    own, values = _channels(unique, by_index), _channels(goals, by_index)
    best = np.zeros(len(unique), np.intp)
    least = np.full(len(unique), np.iinfo(np.int64).max)
    for number, goal in enumerate(values):
        distance = ((own - goal) ** 2).sum(axis=1)
        closer = distance < least
        best[closer], least[closer] = number, distance[closer]
    return goals[best][places].astype(np.uint32)


def _channels(codes: npt.NDArray[np.int64], by_index: bool) -> npt.NDArray[np.int64]:
    """Values `(codes, channels)` of codes, one for an index and three for a colour."""
    if by_index:
        return codes[:, np.newaxis]
    return np.stack([codes >> 16 & 255, codes >> 8 & 255, codes & 255], axis=1)


def _is_near(value: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> bool:
    return bool((np.abs(others - value).max(axis=1) <= _NEAR).any())
