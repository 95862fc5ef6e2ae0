"""Random training tiles: cut, zoomed, turned and recoloured, labels alongside."""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from segshrink.data.annotated import ImageAndLabels
from segshrink.data.classes import IGNORE_INDEX
from segshrink.recipe import Augmentation

_MIDDLE_LEVEL = 127.5

# A colour cast stays small beside brightness: it moves hues, which tell classes apart.
_CAST_OF_STRENGTH = 0.25


def random_tile(
    image: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    *,
    tile_px: int,
    augmentation: Augmentation,
    generator: np.random.Generator,
) -> ImageAndLabels:
    """Draw one training tile from an image.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        labels: uint8 `(height, width)`.
        tile_px: side of the tile in pixels.
        augmentation: which changes are made, and how strong.
        generator: the only source of chance.

    Returns:
        (image, labels) of the tile: `(tile_px, tile_px, 3)` and `(tile_px, tile_px)`.
        Where the image is smaller than the tile it is mirrored, with void labels.
    """
    side_px = _draw_side(labels.shape, tile_px, augmentation, generator)
    image, labels = _random_crop(image, labels, side_px, generator)
    image, labels = _resized(image, labels, tile_px)
    if augmentation.photometric:
        image = _recolored(image, augmentation.photometric, generator)
    return _random_pose(image, labels, augmentation, generator)


def _draw_side(
    shape: tuple[int, ...],
    tile_px: int,
    augmentation: Augmentation,
    generator: np.random.Generator,
) -> int:
    """Side of the crop in source pixels: the tile's, divided by a log-uniform zoom."""
    low, high = augmentation.scale_jitter
    zoom = math.exp(generator.uniform(math.log(low), math.log(high)))
    # Zooming out past the image would only add mirrored pixels without labels.
    return min(max(1, round(tile_px / zoom)), max(tile_px, min(shape)))


def _random_crop(
    image: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    side_px: int,
    generator: np.random.Generator,
) -> ImageAndLabels:
    rows, row_padding = _random_span(labels.shape[0], side_px, generator)
    columns, column_padding = _random_span(labels.shape[1], side_px, generator)
    return padded(
        image[rows, columns], labels[rows, columns], row_padding, column_padding
    )


def _random_span(
    length: int, side_px: int, generator: np.random.Generator
) -> tuple[slice, tuple[int, int]]:
    """Where the crop lies on one axis, and what is padded before and after it."""
    spare = length - side_px
    start = int(generator.integers(min(0, spare), max(0, spare) + 1))
    inside = slice(max(0, start), min(length, start + side_px))
    return inside, (max(0, -start), max(0, start + side_px - length))


def padded(
    image: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    rows: tuple[int, int],
    columns: tuple[int, int],
) -> ImageAndLabels:
    """Mirror the image at its edges, and surround its labels with void.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        labels: uint8 `(height, width)`.
        rows: pixels to add above and below.
        columns: pixels to add left and right.
    """
    if not any(rows + columns):
        return image, labels
    return (
        np.pad(image, (rows, columns, (0, 0)), mode="reflect"),
        np.pad(labels, (rows, columns), constant_values=IGNORE_INDEX),
    )


def _resized(
    image: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], tile_px: int
) -> ImageAndLabels:
    if labels.shape == (tile_px, tile_px):
        return image, labels
    size = (tile_px, tile_px)
    return (
        np.asarray(_as_picture(image).resize(size, Image.Resampling.BILINEAR)),
        np.asarray(_as_picture(labels).resize(size, Image.Resampling.NEAREST)),
    )


def _as_picture(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels))


def _random_pose(
    image: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    augmentation: Augmentation,
    generator: np.random.Generator,
) -> ImageAndLabels:
    if augmentation.flips:
        row_step, column_step = generator.choice((1, -1), size=2)
        image = image[::row_step, ::column_step]
        labels = labels[::row_step, ::column_step]
    if augmentation.quarter_turns:
        turns = int(generator.integers(4))
        image, labels = np.rot90(image, turns), np.rot90(labels, turns)
    return image, labels


def _recolored(
    image: npt.NDArray[np.uint8], strength: float, generator: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Change contrast, brightness and the balance of the channels.

    With s = `strength` in (0, 1]: contrast by a factor in 1 ± s about the middle,
    brightness by ± s / 2 of the range, each channel by a factor in 1 ± s / 4.
    """
    contrast = 1 + strength * generator.uniform(-1, 1)
    brightness = _MIDDLE_LEVEL * strength * generator.uniform(-1, 1)
    cast = 1 + _CAST_OF_STRENGTH * strength * generator.uniform(-1, 1, size=3)
    levels = contrast * (np.arange(256) - _MIDDLE_LEVEL) + _MIDDLE_LEVEL + brightness
    table = np.clip(np.rint(np.outer(cast, levels)), 0, 255).astype(np.uint8)
    recolored = np.empty(image.shape, np.uint8)
    for channel in range(3):
        recolored[..., channel] = table[channel][image[..., channel]]
    return recolored
