"""Puts labels beside points so that no label covers another label or a point.

Greedy over rings of candidate places around each point, nearest first, in several
orders of the points until one disturbs nothing; after
Christensen, Marks, Shieber, An Empirical Study of Algorithms for Point-Feature Label
Placement, 1995.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Directions in the order readers like them: right, left, above, below, then slanted.
_DIRECTIONS_DEGREES = (0, 180, 90, 270, 30, 330, 150, 210, 60, 300, 120, 240)
_RINGS = 24
# A label further away than so many radii needs a line to its point.
_NEAR_RADII = 1.5
_LEADER_STEP = 4.0


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


_Wish = tuple[tuple[float, float], tuple[float, float], float]
"""A point, the size of its label, and its radius."""

_Disturbance = tuple[float, float]
"""Square pixels that a label covers of others and of points, and of leaders."""

_NONE: _Disturbance = (0.0, 0.0)
_WORST: _Disturbance = (math.inf, math.inf)


def place_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    bounds: Box,
    *,
    radii: Sequence[float],
    obstacles: Sequence[Box] = (),
) -> list[Box]:
    """A box for every label, in the order of `points`.

    Args:
        points: (x, y) of every point, in pixels.
        sizes: (width, height) of every label, in pixels.
        bounds: where labels may lie.
        radii: half the size of every point's marker with its clearance, in pixels.
        obstacles: what labels must not cover besides the points.

    Returns:
        Boxes of the given sizes within `bounds` that cover neither each other nor a
        point wherever the rings hold such a place; where they hold none, the
        candidate that covers the least. Of those that cover nothing, one that leaves
        the lines free which `leader` draws, if there is one.
    """
    taken = [
        Box(x - radius, y - radius, 2 * radius, 2 * radius)
        for (x, y), radius in zip(points, radii, strict=True)
    ]
    taken.extend(obstacles)
    wishes = list(zip(points, sizes, radii, strict=True))
    best: list[Box] = []
    least = _WORST
    for order in _orders(points):
        placed, disturbance = _placed_in_order(wishes, order, bounds, taken)
        if disturbance < least:
            best, least = [placed[index] for index in range(len(points))], disturbance
        if least == _NONE:
            break
    return best


def _orders(points: Sequence[tuple[float, float]]) -> Iterator[Sequence[int]]:
    """Orders to place labels in: whoever comes first takes the best place."""
    given = range(len(points))
    yield given
    for axis in (0, 1):
        along = sorted(given, key=lambda index: points[index][axis])
        yield along
        yield along[::-1]


def _placed_in_order(
    wishes: Sequence[_Wish], order: Sequence[int], bounds: Box, fixed: Sequence[Box]
) -> tuple[dict[int, Box], _Disturbance]:
    """Boxes by index of their point, and what they cover and cross altogether."""
    placed: dict[int, Box] = {}
    leaders: list[Box] = []
    covered = crossed = 0.0
    for index in order:
        labels = list(placed.values())
        box, more = _best(wishes[index], bounds, [*fixed, *labels], labels, leaders)
        placed[index] = box
        covered, crossed = covered + more[0], crossed + more[1]
        point, _, radius = wishes[index]
        leaders.extend(_along_leader(point, box, radius))
    return placed, (covered, crossed)


def leader(
    point: tuple[float, float], box: Box, radius: float
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Ends of the line from a point to its label; None where the label is near."""
    x = min(max(point[0], box.left), box.left + box.width)
    y = min(max(point[1], box.bottom), box.bottom + box.height)
    apart = max(abs(x - point[0]), abs(y - point[1]))
    return (point, (x, y)) if apart > _NEAR_RADII * radius else None


def _along_leader(point: tuple[float, float], box: Box, radius: float) -> Iterator[Box]:
    """Small boxes that together cover a leader."""
    ends = leader(point, box, radius)
    if ends is None:
        return
    (x, y), (end_x, end_y) = ends
    steps = math.ceil(max(abs(end_x - x), abs(end_y - y)) / _LEADER_STEP)
    # Without its end, where it touches its own label.
    for step in range(steps):
        share = step / steps
        at_x, at_y = x + share * (end_x - x), y + share * (end_y - y)
        half = _LEADER_STEP / 2
        yield Box(at_x - half, at_y - half, _LEADER_STEP, _LEADER_STEP)


def _best(
    wish: _Wish,
    bounds: Box,
    taken: Sequence[Box],
    labels: Sequence[Box],
    leaders: Sequence[Box],
) -> tuple[Box, _Disturbance]:
    """The first candidate that disturbs nothing, else the one that disturbs least."""
    point, size, radius = wish
    # Wider than the bounds: beside the point is as good as anywhere.
    best, least = next(_candidates(point, size, radius)), _WORST
    for box in _candidates(point, size, radius):
        if not box.is_inside(bounds):
            continue
        covered = sum(box.overlap(other) for other in taken)
        if covered > least[0]:
            continue
        own = list(_along_leader(point, box, radius))
        crossed = sum(box.overlap(other) for other in leaders)
        crossed += sum(each.overlap(label) for each in own for label in labels)
        if (covered, crossed) < least:
            best, least = box, (covered, crossed)
        if least == _NONE:
            break
    return best, least


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
