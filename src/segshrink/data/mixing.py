"""Mixing of the tiles of a batch: a rectangle of each shows another tile of it.

With a share of 1 the other tile replaces the pixels (CutMix, Yun and others, 2019,
arXiv 1905.04899); with less, both show through each other (MixUp, Zhang and others,
2018, arXiv 1710.09412). No label says what a pixel of both is: there only a teacher
that sees the same mixture counts, and void stays void.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from segshrink.data.annotated import ImageAndLabels
from segshrink.data.classes import IGNORE_INDEX, UNLABELLED

Mixing = Literal["cutmix", "mixup"]

# Half of the tiles stay as they are, since that is how the student will see images.
_SHARE_OF_TILES = 0.5


class TileMix(NamedTuple):
    """The numbers of one mixed tile.

    Attributes:
        partner: place in the batch of the tile that is mixed in.
        top: first row of the rectangle in pixels of the tile.
        left: its first column.
        height: its rows; 0 mixes nothing.
        width: its columns.
        share: share in (0, 1] of the partner in the rectangle.
    """

    partner: int = 0
    top: int = 0
    left: int = 0
    height: int = 0
    width: int = 0
    share: float = 1.0


def draw_mixes(
    mixing: Mixing,
    batch_size: int,
    tile_px: int,
    generator: np.random.Generator,
    *,
    step: int = 1,
) -> list[TileMix]:
    """Draw how the tiles of a batch are mixed, half of them not at all.

    Args:
        mixing: cutmix replaces a rectangle whose area is uniform in 0 to 1; mixup
            mixes whole tiles, with a share of the partner that is uniform in 0 to 0.5.
        batch_size: tiles in the batch; with one there is no other to mix in.
        tile_px: side of a tile in pixels.
        generator: the only source of randomness.
        step: rectangles begin and end at multiples of it.
    """
    return [
        _draw_mix(mixing, place, batch_size, tile_px, generator, step)
        for place in range(batch_size)
    ]


def _draw_mix(
    mixing: Mixing,
    place: int,
    batch_size: int,
    tile_px: int,
    generator: np.random.Generator,
    step: int,
) -> TileMix:
    mixed, amount, down, across = generator.random(4)
    if mixed >= _SHARE_OF_TILES or batch_size < 2:
        return TileMix()
    partner = (place + 1 + int(generator.integers(batch_size - 1))) % batch_size
    if mixing == "mixup":
        return TileMix(partner, 0, 0, tile_px, tile_px, amount / 2)
    cells = tile_px // step
    side = round(cells * math.sqrt(amount))
    top, left = (int(x * (cells - side + 1)) * step for x in (down, across))
    return TileMix(partner, top, left, side * step, side * step)


def mixed_tiles(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    mixes: Sequence[TileMix],
) -> ImageAndLabels:
    """Mix the tiles of a batch.

    Args:
        images: uint8 `(batch, tile_px, tile_px, bands)`.
        labels: uint8 `(batch, tile_px, tile_px)`.
        mixes: the numbers of each tile.

    Returns:
        (images, labels) of the same shapes and types.
    """
    new_images, new_labels = images.copy(), labels.copy()
    for place, mix in enumerate(mixes):
        here = _rectangle(place, mix)
        there = _rectangle(mix.partner, mix)
        new_labels[here] = labels[there]
        if mix.share < 1:
            void = (labels[here] == IGNORE_INDEX) | (labels[there] == IGNORE_INDEX)
            new_labels[here] = np.where(void, IGNORE_INDEX, UNLABELLED)
        own, other = (images[x].astype(np.float32) for x in (here, there))
        new_images[here] = np.rint(own + np.float32(mix.share) * (other - own))
    return new_images, new_labels


def replaced_cells(
    maps: npt.NDArray[np.float16], mixes: Sequence[TileMix], stride: int
) -> npt.NDArray[np.float16]:
    """Replace the rectangles of a batch in maps whose cells are `stride` pixels wide.

    Args:
        maps: `(batch, cells, cells, channels)`.
        mixes: the numbers of each tile, with a share of 1 and multiples of `stride`.
        stride: side of a cell in pixels.
    """
    new = maps.copy()
    for place, mix in enumerate(mixes):
        cells = mix._replace(
            **{
                name: getattr(mix, name) // stride
                for name in ("top", "left", "height", "width")
            }
        )
        new[_rectangle(place, cells)] = maps[_rectangle(mix.partner, cells)]
    return new


def _rectangle(place: int, mix: TileMix) -> tuple[int, slice, slice]:
    rows = slice(mix.top, mix.top + mix.height)
    return place, rows, slice(mix.left, mix.left + mix.width)
