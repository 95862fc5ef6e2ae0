"""A map of an image of any size, from overlapping tiles that are blended."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt


def map_by_tiles(
    predict: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    *,
    tile_px: tuple[int, int],
    channels: int,
    overlap: float,
    batch_size: int = 1,
) -> npt.NDArray[np.float32]:
    """Put the maps of tiles together to one of the image.

    Tiles are spread evenly from edge to edge, so that none reaches beyond the image;
    along a side shorter than a tile the image is continued by reflection. Where tiles
    overlap, their maps are averaged with weights that fall linearly from the middle of
    a tile to its border, where a network sees least context. Beside the map, one
    float32 a pixel and one batch are held.

    Args:
        predict: tiles `(batch_size, *tile_px, 3)` to `(batch_size, *tile_px,
            channels)`.
        image: `(height, width, 3)`.
        tile_px: height and width of a tile in pixels.
        channels: channels of the map.
        overlap: in [0, 0.9], share of a tile's side that at least overlaps with the
            next tile; the number of tiles grows with `1 / (1 - overlap)**2`.
        batch_size: tiles predicted at once; the last batch is filled up.

    Returns:
        float32 `(height, width, channels)`.
    """
    height_px, width_px = image.shape[:2]
    image = _at_least(image, tile_px)
    weights = _weights(tile_px)
    result = np.zeros((*image.shape[:2], channels), np.float32)
    total = np.zeros((*image.shape[:2], 1), np.float32)
    tiles = _tiles(image.shape[:2], tile_px, overlap)
    for start in range(0, len(tiles), batch_size):
        places = tiles[start : start + batch_size]
        batch = np.stack([image[place] for place in places])
        missing = batch_size - len(places)
        if missing:
            batch = np.pad(batch, ((0, missing), (0, 0), (0, 0), (0, 0)))
        for place, tile in zip(places, predict(batch), strict=False):
            result[place] += tile * weights
            total[place] += weights
    result /= total
    return result[:height_px, :width_px]


def _at_least(image: np.ndarray, tile_px: tuple[int, int]) -> np.ndarray:
    """The image, continued by reflection to the right and below where it is smaller."""
    missing = [
        (0, max(0, tile - side))
        for tile, side in zip(tile_px, image.shape[:2], strict=True)
    ]
    if not any(after for _, after in missing):
        return image
    return np.pad(image, [*missing, (0, 0)], mode="reflect")


def _weights(tile_px: tuple[int, int]) -> np.ndarray:
    """Pyramid `(height, width, 1)` of values in (0, 1]."""
    rows, columns = (_rising_and_falling(side) for side in tile_px)
    return (rows[:, None] * columns[None, :])[..., None]


def _rising_and_falling(length: int) -> np.ndarray:
    position = np.arange(1, length + 1, dtype=np.float32)
    ramp = np.minimum(position, position[::-1])
    return ramp / ramp.max()


def _tiles(
    image_px: tuple[int, ...], tile_px: tuple[int, int], overlap: float
) -> list[tuple[slice, slice]]:
    rows, columns = (
        _starts(side, tile, overlap)
        for side, tile in zip(image_px, tile_px, strict=True)
    )
    return [
        (slice(top, top + tile_px[0]), slice(left, left + tile_px[1]))
        for top in rows
        for left in columns
    ]


def _starts(side: int, tile: int, overlap: float) -> list[int]:
    """First pixels of the fewest tiles that overlap by at least `overlap`."""
    stride = max(1, math.floor(tile * (1 - overlap)))
    count = math.ceil((side - tile) / stride) + 1
    return [int(start) for start in np.linspace(0, side - tile, count)]
