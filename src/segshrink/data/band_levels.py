"""From the numbers of bands to grey levels 0 to 255, and which pixels have data."""

import math
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

_MOST_LEVEL = 255


def to_levels(
    values: npt.NDArray, scale: Sequence[tuple[float, float]]
) -> npt.NDArray[np.uint8]:
    """Map the numbers of bands to grey levels.

    Args:
        values: integers or floats `(height, width, bands)`.
        scale: the low and high value of each band, which become 0 and 255. Levels
            between are rounded, values outside are clipped, and NaN becomes 0.

    Returns:
        uint8 `(height, width, bands)`.
    """
    levels = np.empty(values.shape, np.uint8)
    for band, (low, high) in enumerate(scale):
        levels[..., band] = _levels_of(values[..., band], low, high)
    return levels


def lacking_data(values: npt.NDArray, nodata: Collection[float]) -> npt.NDArray | None:
    """Which numbers stand for no data: NaN, and those of `nodata`.

    Returns:
        bool array of the shape of `values`; None if none does.
    """
    lacking = np.isnan(values) if values.dtype.kind == "f" else None
    for number in nodata:
        if np.isnan(number):
            continue
        # A float32 file holds -3.4e38 or 0.1 only as nearly as float32 can.
        same = values == values.dtype.type(number) if _fits(values, number) else None
        if same is not None:
            lacking = same if lacking is None else lacking | same
    return lacking if lacking is not None and lacking.any() else None


def _fits(values: npt.NDArray, number: float) -> bool:
    if values.dtype.kind == "f":
        return True
    if not math.isfinite(number):
        return False
    limits = np.iinfo(values.dtype)
    return number == int(number) and limits.min <= number <= limits.max


def _levels_of(band: npt.NDArray, low: float, high: float) -> npt.NDArray[np.uint8]:
    if band.dtype.kind in "iu" and band.dtype.itemsize <= 2:
        # A table of all numbers is several times faster than arithmetic on pixels.
        unsigned = np.dtype(f"u{band.dtype.itemsize}")
        every = np.arange(2 ** (8 * band.dtype.itemsize)).astype(unsigned)
        table = _scaled(every.view(band.dtype), low, high)
        return table[np.ascontiguousarray(band).view(unsigned)]
    levels = np.empty(band.shape, np.uint8)
    for row, line in enumerate(band):  # row by row, since floats take eight bytes
        levels[row] = _scaled(line, low, high)
    return levels


def _scaled(values: npt.NDArray, low: float, high: float) -> npt.NDArray[np.uint8]:
    share = (values.astype(np.float64) - low) * _MOST_LEVEL / (high - low)
    share[np.isnan(share)] = 0
    return np.rint(np.clip(share, 0, _MOST_LEVEL)).astype(np.uint8)
