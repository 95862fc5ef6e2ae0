"""Puts labels beside points so that no label covers another label or a point.

Greedy over rings of candidate places around each point, nearest first; after
Christensen, Marks, Shieber, An Empirical Study of Algorithms for Point-Feature Label
Placement, 1995.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Directions in the order readers like them: right, left, above, below, then slanted.
_DIRECTIONS_DEGREES = (0, 180, 90, 270, 30, 330, 150, 210, 60, 300, 120, 240)
_RINGS = 24


@dataclass(frozen=True)
class Box:
    """A rectangle along the axes, in pixels, y upwards."""

    left: float
    bottom: float
    width: float
    height: float

    def overlap(self, other: "Box") -> float:
        """Common area in square pixels; touching boxes have none."""
        width = min(self.left + self.width, other.left + other.width) - max(
            self.left, other.left
        )
        height = min(self.bottom + self.height, other.bottom + other.height) - max(
            self.bottom, other.bottom
        )
        return max(width, 0.0) * max(height, 0.0)

    def is_inside(self, other: "Box") -> bool:
        """Whether no part of this box lies outside `other`."""
        return (
            self.left >= other.left
            and self.bottom >= other.bottom
            and self.left + self.width <= other.left + other.width
            and self.bottom + self.height <= other.bottom + other.height
        )


def place_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    bounds: Box,
    *,
    radius: float,
    obstacles: Sequence[Box] = (),
) -> list[Box]:
    """A box for every label, in the order of `points`.

    Args:
        points: (x, y) of every point, in pixels.
        sizes: (width, height) of every label, in pixels.
        bounds: where labels may lie.
        radius: half the size of a point's marker with its clearance, in pixels.
        obstacles: what labels must not cover besides the points.

    Returns:
        Boxes of the given sizes within `bounds` that cover neither each other nor a
        point wherever the rings hold such a place; where they hold none, the
        candidate that covers the least.
    """
    taken = [Box(x - radius, y - radius, 2 * radius, 2 * radius) for x, y in points]
    taken.extend(obstacles)
    placed: list[Box] = []
    for point, size in zip(points, sizes, strict=True):
        box = _best(point, size, bounds, taken, radius)
        placed.append(box)
        taken.append(box)
    return placed


def _best(
    point: tuple[float, float],
    size: tuple[float, float],
    bounds: Box,
    taken: Sequence[Box],
    radius: float,
) -> Box:
    best, least = None, math.inf
    for box in _candidates(point, size, radius):
        if not box.is_inside(bounds):
            continue
        covered = sum(box.overlap(other) for other in taken)
        if covered == 0:
            return box
        if covered < least:
            best, least = box, covered
    if best is None:
        # Wider than the bounds: beside the point is as good as anywhere.
        return next(_candidates(point, size, radius))
    return best


def _candidates(
    point: tuple[float, float], size: tuple[float, float], radius: float
) -> Iterator[Box]:
    x, y = point
    width, height = size
    for ring in range(_RINGS):
        distance = radius + ring * height / 2
        for degrees in _DIRECTIONS_DEGREES:
            across, up = (
                math.cos(math.radians(degrees)),
                math.sin(math.radians(degrees)),
            )
            center_x = x + across * (distance + width / 2)
            center_y = y + up * (distance + height / 2)
            yield Box(center_x - width / 2, center_y - height / 2, width, height)
