"""The plan of a synthetic scene: geometry and uses, before any colour."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from segshrink.data.synthetic.arrays import BoolArray, FloatArray, IntArray
from segshrink.data.synthetic.geometry import CityFrame, Rectangle
from segshrink.data.synthetic.streets import Streets, lay_streets
from segshrink.data.synthetic.textures import Surface, smooth_noise
from segshrink.data.synthetic.water import draw_shore_distance

_SHORE_PX = 4.0
_SITE_AREA_PX = 2000
_SITE_SHARE = 0.03


class BlockKind(IntEnum):
    """Uses of the ground between four streets."""

    RESIDENTIAL = 0
    COMMERCIAL = 1
    PARK = 2
    BARE = 3


def draw_block_kinds(rng: np.random.Generator, columns: int, rows: int) -> IntArray:
    """Kinds of all blocks, uint8 `(columns, rows)`.

    A shuffled deck of seven is dealt along a lattice on which any 3 x 3 blocks hold
    all seven cards, so that even a small scene has every kind; a few are swapped at
    random, against the regularity.
    """
    deck = np.array(
        [BlockKind.RESIDENTIAL] * 2
        + [BlockKind.COMMERCIAL] * 2
        + [BlockKind.PARK] * 2
        + [BlockKind.BARE],
        dtype=np.uint8,
    )
    rng.shuffle(deck)
    column, row = np.arange(columns)[:, None], np.arange(rows)[None, :]
    kinds = deck[(3 * column + 2 * row) % len(deck)]
    swapped = rng.random((columns, rows)) < 0.12
    return np.where(swapped, rng.choice(deck, (columns, rows)), kinds)


@dataclass(frozen=True)
class Plan:
    """The geometry of one scene.

    Attributes:
        frame: from image to city coordinates.
        grid: city coordinates `(u, v)` of every pixel, float32 `(size, size)` each.
        streets: the streets across u and across v.
        kinds: kinds of all blocks, uint8 `(columns, rows)`.
        kind_of_pixel: kind of the block at every pixel, uint8 `(size, size)`.
        shore_px: distance to the shore, negative in water, float32 `(size, size)`.
        surfaces: the ground, values of `Surface`, uint8 `(size, size)`.
    """

    frame: CityFrame
    grid: tuple[FloatArray, FloatArray]
    streets: tuple[Streets, Streets]
    kinds: IntArray
    kind_of_pixel: IntArray
    shore_px: FloatArray
    surfaces: IntArray

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int) -> "Plan":
        """A random plan."""
        frame = CityFrame.draw(rng, size_px)
        u, v = frame.pixel_grid()
        block_px = rng.uniform(66, 100)
        across_u = Streets.draw(rng, reach_px=frame.reach_px, block_px=block_px)
        across_v = Streets.draw(rng, reach_px=frame.reach_px, block_px=block_px)
        columns, rows = len(across_u.blocks()), len(across_v.blocks())
        kinds = draw_block_kinds(rng, columns, rows)
        fields = across_u.seen_from(u, v), across_v.seen_from(v, u)
        kind_of_pixel = kinds[fields[0].block, fields[1].block]
        shore_px = draw_shore_distance(rng, size_px)
        surfaces = _lay_ground(rng, kind_of_pixel, shore_px)
        lay_streets(surfaces, fields, is_wet=shore_px < _SHORE_PX)
        streets = across_u, across_v
        return cls(frame, (u, v), streets, kinds, kind_of_pixel, shore_px, surfaces)

    def blocks(self) -> list[tuple[Rectangle, BlockKind]]:
        """The blocks that may show in the image."""
        blocks = [
            (Rectangle(u0, v0, u1, v1), BlockKind(self.kinds[i, j]))
            for i, (u0, u1) in enumerate(self.streets[0].blocks())
            for j, (v0, v1) in enumerate(self.streets[1].blocks())
        ]
        return [
            (block, kind)
            for block, kind in blocks
            if self.frame.shows(block.center, margin_px=100)
        ]

    def surfaces_at(self, points: FloatArray) -> IntArray:
        """Surfaces under city points `(n, 2)`: uint8 `(n,)`, 255 outside the image."""
        x, y, is_inside = self._cells(points)
        return np.where(is_inside, self.surfaces[y, x], 255).astype(np.uint8)

    def dry(self, grounds: list[Rectangle]) -> list[Rectangle]:
        """Those of `grounds` without water at corners and middle, as far as seen."""
        if not grounds:
            return []
        points = np.array([[*ground.corners, ground.center] for ground in grounds])
        x, y, is_inside = self._cells(points)
        is_wet = is_inside & (self.shore_px[y, x] < _SHORE_PX)
        return [grounds[i] for i in np.flatnonzero(~is_wet.any(axis=1))]

    def _cells(self, points: FloatArray) -> tuple[IntArray, IntArray, BoolArray]:
        """Columns and rows of city points, 0 outside, and whether they are inside."""
        cells = np.floor(self.frame.to_pixels(points)).astype(int)
        is_inside = (cells.min(-1) >= 0) & (cells.max(-1) < self.frame.size_px)
        cells = np.where(is_inside[..., None], cells, 0)
        return cells[..., 0], cells[..., 1], is_inside

    def choose_sites(self, rng: np.random.Generator) -> list[Rectangle]:
        """Grounds for building sites: one per block, in the image, dry, in no park."""
        count = max(1, round(_SITE_SHARE * self.frame.size_px**2 / _SITE_AREA_PX))
        buildable = [b for b, kind in self.blocks() if kind is not BlockKind.PARK]
        order = rng.permutation(len(buildable)).tolist()
        sites = [_draw_site(rng, buildable[i].inset(4)) for i in order]
        # A site that is cut by the border would leave some scenes without the class.
        seen = [site for site in sites if self.frame.shows(site.center, margin_px=-16)]
        return self.dry(seen)[:count]


def _draw_site(rng: np.random.Generator, ground: Rectangle) -> Rectangle:
    width = min(rng.uniform(38, 52), ground.width_px)
    height = min(_SITE_AREA_PX / width, ground.height_px)
    u0 = rng.uniform(ground.u0, ground.u1 - width)
    v0 = rng.uniform(ground.v0, ground.v1 - height)
    return Rectangle(u0, v0, u0 + width, v0 + height)


def _lay_ground(
    rng: np.random.Generator, kind_of_pixel: IntArray, shore_px: FloatArray
) -> IntArray:
    """Soil, lawns and water with its shore, without streets: uint8 `(size, size)`."""
    surfaces = np.full(kind_of_pixel.shape, Surface.SOIL, np.uint8)
    patches = smooth_noise(rng, kind_of_pixel.shape[0], 26)
    is_garden = (kind_of_pixel == BlockKind.RESIDENTIAL) & (patches > 0.7)
    surfaces[is_garden | (kind_of_pixel == BlockKind.PARK)] = Surface.LAWN
    surfaces[shore_px < _SHORE_PX] = Surface.SHORE
    surfaces[shore_px < 0] = Surface.WATER
    return surfaces
