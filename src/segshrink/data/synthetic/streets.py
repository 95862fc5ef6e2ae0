"""Streets of synthetic scenes: their courses and their markings."""

from dataclasses import dataclass

import numpy as np

from segshrink.data.synthetic.arrays import BoolArray, FloatArray, IntArray
from segshrink.data.synthetic.textures import Surface

# Streets are tabulated at a quarter of a pixel: far finer than anything drawn.
_CELLS_PER_PX = 4
_STREET_HALF_WIDTH_PX = 5.5
_AVENUE_HALF_WIDTH_PX = 10.5
_KERB_PX = 1.4


@dataclass(frozen=True)
class StreetField:
    """The streets along one axis as seen from every pixel, `(size, size)` each.

    Attributes:
        offset_px: signed distance to the centre line of the nearest street.
        half_width_px: half the width of that street.
        block: index of the block; on a street, of one of its neighbours.
        along_px: position along the street.
    """

    offset_px: FloatArray
    half_width_px: FloatArray
    block: IntArray
    along_px: FloatArray

    @property
    def is_avenue(self) -> BoolArray:
        """Whether the nearest street is a wide one, bool."""
        return self.half_width_px > _STREET_HALF_WIDTH_PX

    @property
    def beyond_edge_px(self) -> FloatArray:
        """Distance to the edge of the nearest street, negative on it."""
        return np.abs(self.offset_px) - self.half_width_px


@dataclass(frozen=True)
class Streets:
    """Parallel streets across one city axis, sorted along it."""

    centers_px: FloatArray
    half_widths_px: FloatArray

    @classmethod
    def draw(
        cls, rng: np.random.Generator, *, reach_px: float, block_px: float
    ) -> "Streets":
        """Random streets from `-reach_px` to beyond `reach_px`; some are avenues."""
        avenue_every = int(rng.integers(2, 4))
        position = -reach_px - rng.uniform(0, block_px)
        centers: list[float] = []
        half_widths: list[float] = []
        while not centers or centers[-1] <= reach_px:
            is_avenue = len(centers) % avenue_every == 0
            half_widths.append(
                _AVENUE_HALF_WIDTH_PX if is_avenue else _STREET_HALF_WIDTH_PX
            )
            centers.append(position)
            position += block_px * rng.uniform(0.8, 1.25) + 2 * _STREET_HALF_WIDTH_PX
        return cls(np.array(centers), np.array(half_widths))

    def blocks(self) -> list[tuple[float, float]]:
        """Start and end of the ground between each two neighbouring streets."""
        starts = self.centers_px + self.half_widths_px
        ends = self.centers_px - self.half_widths_px
        return list(zip(starts[:-1].tolist(), ends[1:].tolist(), strict=True))

    def seen_from(self, across_px: FloatArray, along_px: FloatArray) -> StreetField:
        """Find the nearest street and the block of every pixel.

        Args:
            across_px: float32 `(size, size)`, city coordinate across the streets.
            along_px: same shape, city coordinate along the streets.
        """
        first, last = self.centers_px[0], self.centers_px[-1]
        table = np.arange(first, last, 1 / _CELLS_PER_PX)
        block = np.searchsorted(self.centers_px, table, side="right") - 1
        gap = self.centers_px[block + 1] + self.centers_px[block] - 2 * table
        nearest = np.where(gap < 0, block + 1, block)
        from_first = (across_px - np.float32(first)) * np.float32(_CELLS_PER_PX)
        cell = from_first.astype(np.int32)
        return StreetField(
            offset_px=(table - self.centers_px[nearest]).astype(np.float32)[cell],
            half_width_px=self.half_widths_px[nearest].astype(np.float32)[cell],
            block=block[cell],
            along_px=along_px,
        )


def lay_streets(
    surfaces: IntArray, fields: tuple[StreetField, StreetField], is_wet: BoolArray
) -> None:
    """Pave `surfaces`, uint8 `(size, size)`, in place; only avenues bridge water."""
    edge = np.minimum(*(_paved_edge(field, is_wet) for field in fields))
    surfaces[edge < 0] = Surface.KERB
    surfaces[edge < -_KERB_PX] = Surface.ASPHALT
    for field, crossing in (fields, fields[::-1]):
        to_crossing_px = _paved_edge(crossing, is_wet)
        is_inner = _paved_edge(field, is_wet) < -2.2
        is_line = _lane_lines(field) & (to_crossing_px > 7)
        is_zebra = (to_crossing_px > 1.5) & (to_crossing_px < 5.5)
        is_zebra &= field.is_avenue & (np.mod(field.offset_px, 3.6) < 1.8)
        surfaces[is_inner & (is_line | is_zebra)] = Surface.MARKING


def _paved_edge(field: StreetField, is_wet: BoolArray) -> FloatArray:
    """Distance to the edge of the pavement, negative on it."""
    return np.where(is_wet & ~field.is_avenue, np.float32(99), field.beyond_edge_px)


def _lane_lines(field: StreetField) -> BoolArray:
    """A dashed centre line on streets; on avenues a solid one between dashed ones."""
    is_dash = np.mod(field.along_px, 15) < 8
    distance_px = np.abs(field.offset_px)
    is_centre = (distance_px < 0.8) & (is_dash | field.is_avenue)
    is_lane = (np.abs(distance_px - 5.4) < 0.7) & is_dash & field.is_avenue
    return is_centre | is_lane
