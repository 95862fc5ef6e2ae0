"""Predicts an image of any size by overlapping tiles that are blended."""

import math
from collections.abc import Iterator

import numpy as np

from segshrink.errors import UsageError
from segshrink.runtimes.artifact import Artifact


def predict_image(
    artifact: Artifact, image: np.ndarray, overlap: float = 0.25
) -> np.ndarray:
    """Logits of every pixel of an image larger or smaller than the artifact's tiles.

    Tiles of `artifact.input_shape` are spread evenly from edge to edge, so that no tile
    reaches beyond the image; along a side shorter than a tile the image is continued by
    reflection. Where tiles overlap, their logits are averaged with weights that fall
    linearly from the middle of a tile to its border, where a network sees least
    context. Beside the logits, one float32 a pixel and one tile are held.

    Args:
        artifact: an opened model file.
        image: RGB 0-255, uint8 or float, `(height, width, 3)`.
        overlap: in [0, 0.9], share of a tile's side that at least overlaps with the
            next tile; the number of tiles grows with `1 / (1 - overlap)**2`.

    Returns:
        float32 logits `(height, width, classes)`.

    Raises:
        UsageError: if `image` is no RGB image or `overlap` out of range.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise UsageError(f"image must be (height, width, 3), got {image.shape}.")
    if not 0 <= overlap <= 0.9:
        raise UsageError(f"overlap must be 0 to 0.9, got {overlap}.")
    height_px, width_px = image.shape[:2]
    image = _at_least(image, artifact.input_shape)
    weights = _weights(artifact.input_shape)
    logits = np.zeros((*image.shape[:2], artifact.num_classes), np.float32)
    total = np.zeros((*image.shape[:2], 1), np.float32)
    for tile in _tiles(image.shape[:2], artifact.input_shape, overlap):
        logits[tile] += artifact.predict(image[tile][None])[0] * weights
        total[tile] += weights
    logits /= total
    return logits[:height_px, :width_px]


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
) -> Iterator[tuple[slice, slice]]:
    rows, columns = (
        _starts(side, tile, overlap)
        for side, tile in zip(image_px, tile_px, strict=True)
    )
    for top in rows:
        for left in columns:
            yield (
                slice(top, top + tile_px[0]),
                slice(left, left + tile_px[1]),
            )


def _starts(side: int, tile: int, overlap: float) -> list[int]:
    """First pixels of the fewest tiles that overlap by at least `overlap`."""
    stride = max(1, math.floor(tile * (1 - overlap)))
    count = math.ceil((side - tile) / stride) + 1
    return [int(start) for start in np.linspace(0, side - tile, count)]
