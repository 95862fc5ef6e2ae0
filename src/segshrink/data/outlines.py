"""Outlines of areas, and the pixels that lie inside."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

FARTHEST_PX = 1e9
"""Points farther off than this many pixels are taken as damage."""

_PIXELS_AT_ONCE = 1 << 21

Points = npt.NDArray[np.float64]


def as_points(numbers: object) -> Points | None:
    """Points `(n, 2)` of x and y, from a flat list or a list of pairs.

    Returns:
        float64 array, or None if these are no pairs of numbers, or one of them is not
        finite or farther than `FARTHEST_PX`.
    """
    try:
        points = np.asarray(numbers)
        if points.dtype.kind not in "iuf" or points.ndim not in (1, 2):
            return None
        points = points.astype(np.float64).reshape(-1, 2)
    except (ValueError, TypeError, OverflowError):
        return None
    return points if bool((np.abs(points) <= FARTHEST_PX).all()) else None


def is_within(points: Points, height_px: int, width_px: int) -> bool:
    """Whether all points lie on an image, to a pixel, since tools round them."""
    low, high = points.min(axis=0), points.max(axis=0)
    return bool(
        (low >= -1).all() and high[0] <= width_px + 1 and high[1] <= height_px + 1
    )


def fill(codes: npt.NDArray[np.uint32], rings: Iterable[Points], code: int) -> None:
    """Give a code to the pixels whose centres lie inside of an outline.

    The centre of the pixel in row r and column c is at x = c + 0.5, y = r + 0.5. A
    centre is inside if a ray from it crosses the rings an odd number of times, so that
    rings inside of others are holes. Of areas that share an edge, a centre exactly on
    it belongs to one only.

    Args:
        codes: a mask `(height, width)`, changed in place.
        rings: float `(n, 2)` each, x and y of its corners in pixels; the last is
            joined to the first. Any may lie outside of the mask.
        code: the code to give.
    """
    starts, ends = _edges(rings)
    if not len(starts):
        return
    height, width = codes.shape
    left, right = _span(np.concatenate([starts[:, 0], ends[:, 0]]), width)
    above, below = _span(np.concatenate([starts[:, 1], ends[:, 1]]), height)
    if left >= right:
        return
    # Bands bound the memory, however large the area is.
    height_px = max(1, _PIXELS_AT_ONCE // (right - left))
    for top in range(above, below, height_px):
        rows = slice(top, min(top + height_px, below))
        band = codes[rows, left:right]
        band[_inside(starts, ends, rows, slice(left, right))] = code


def _inside(
    starts: Points, ends: Points, rows: slice, columns: slice
) -> npt.NDArray[np.bool_]:
    """Pixels of some rows and columns that edges enclose."""
    height, width = rows.stop - rows.start, columns.stop - columns.start
    first = _first_centre(starts[:, 1]).clip(rows.start, rows.stop)
    last = _first_centre(ends[:, 1]).clip(rows.start, rows.stop)
    crossed, edges = _rows_of_edges(first, last)
    slope = (ends[edges, 0] - starts[edges, 0]) / (ends[edges, 1] - starts[edges, 1])
    crossings = starts[edges, 0] + (crossed + 0.5 - starts[edges, 1]) * slope
    turned = _first_centre(crossings).clip(columns.start, columns.stop)
    places = (crossed - rows.start) * (width + 1) + turned - columns.start
    turns = np.bincount(places, minlength=height * (width + 1))
    turns = turns.reshape(height, width + 1)[:, :-1] & 1
    return (np.cumsum(turns, axis=1, dtype=np.uint8) & 1).astype(bool)


def _span(places: npt.NDArray[np.float64], size: int) -> tuple[int, int]:
    """The first pixel whose centre lies between places, and the one after the last."""
    low, high = _first_centre(np.array([places.min(), places.max()])).clip(0, size)
    return int(low), int(high)


def _edges(rings: Iterable[Points]) -> tuple[Points, Points]:
    """Upper and lower ends of the edges that are not level."""
    closed = [np.concatenate([ring, ring[:1]]) for ring in rings]
    starts = np.concatenate([ring[:-1] for ring in closed])
    ends = np.concatenate([ring[1:] for ring in closed])
    # Always downwards, so that an edge of two areas has the same crossings in both.
    upwards = starts[:, 1] > ends[:, 1]
    starts[upwards], ends[upwards] = ends[upwards], starts[upwards]
    slanted = starts[:, 1] < ends[:, 1]
    return starts[slanted], ends[slanted]


def _first_centre(places: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The first pixel whose centre is not before each place."""
    return np.ceil(places - 0.5).astype(np.int64)


def _rows_of_edges(
    first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Every row that an edge crosses, and the edge's number: one entry a crossing."""
    counts = (last - first).clip(0)
    edges = np.repeat(np.arange(len(first)), counts)
    before = np.cumsum(counts) - counts
    return np.arange(len(edges)) - (before - first)[edges], edges


def area_px(points: Points) -> float:
    """Area inside of a ring that does not cross itself, in square pixels."""
    x, y = points[:, 0], points[:, 1]
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def rectangle(x: float, y: float, width: float, height: float) -> Sequence[float]:
    """Corners of a rectangle as x1, y1, x2, y2 and so on."""
    return (x, y, x + width, y, x + width, y + height, x, y + height)
