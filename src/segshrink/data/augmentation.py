"""Random training tiles: cut, zoomed, turned and recoloured, labels alongside."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

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
    crop = _draw_crop(labels.shape, tile_px, augmentation, generator, 1)
    image, labels = _cut(image, labels, crop, tile_px)
    if augmentation.photometric:
        image = recolored(image, augmentation.photometric, generator)
    pose = _draw_pose(augmentation, generator)
    return pose(image), pose(labels)


def random_tile_with_map(
    image: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    raster: npt.NDArray[np.floating],
    *,
    stride: int,
    tile_px: int,
    augmentation: Augmentation,
    generator: np.random.Generator,
    color_generator: np.random.Generator | None,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.float16]]:
    """Draw one training tile, and cut the same from a map of the image.

    The crop begins and ends between cells of the map, so that flips, quarter turns and
    crops give exactly the cells of the map; a zoom resamples them.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        labels: uint8 `(height, width)`.
        raster: `(ceil(height / stride), ceil(width / stride), channels)`; a cell of it
            belongs to `stride` x `stride` pixels.
        stride: side of a cell in pixels; it divides `tile_px`.
        tile_px: side of the tile in pixels.
        augmentation: as for `random_tile`.
        generator: as for `random_tile`.
        color_generator: source of the change of colours; None leaves them as they are.

    Returns:
        (image, labels, raster) of the tile; the last is float16 `(tile_px / stride,
        tile_px / stride, channels)`.
    """
    crop = _draw_crop(labels.shape, tile_px, augmentation, generator, stride)
    image, labels = _cut(image, labels, crop, tile_px)
    if augmentation.photometric and color_generator is not None:
        image = recolored(image, augmentation.photometric, color_generator)
    raster = _cut_map(raster, crop, stride, tile_px // stride)
    pose = _draw_pose(augmentation, generator)
    return pose(image), pose(labels), pose(raster)


@dataclass(frozen=True)
class _Span:
    """A crop along one axis: where it begins, and how long it and the image are."""

    start: int
    side: int
    length: int

    @property
    def inside(self) -> slice:
        return slice(max(0, self.start), min(self.length, self.start + self.side))

    @property
    def padding(self) -> tuple[int, int]:
        return max(0, -self.start), max(0, self.start + self.side - self.length)

    def in_cells(self, stride: int) -> "_Span":
        cells = math.ceil(self.length / stride)
        return _Span(self.start // stride, self.side // stride, cells)


_Crop = tuple[_Span, _Span]


def _draw_crop(
    shape: tuple[int, ...],
    tile_px: int,
    augmentation: Augmentation,
    generator: np.random.Generator,
    step: int,
) -> _Crop:
    """Rows and columns of the crop in source pixels, multiples of `step`."""
    side = _draw_side(shape, tile_px, augmentation, generator, step)
    rows, columns = (_draw_span(length, side, generator, step) for length in shape)
    return rows, columns


def _draw_side(
    shape: tuple[int, ...],
    tile_px: int,
    augmentation: Augmentation,
    generator: np.random.Generator,
    step: int,
) -> int:
    """Side of the crop in source pixels: the tile's, divided by a log-uniform zoom."""
    low, high = augmentation.scale_jitter
    zoom = math.exp(generator.uniform(math.log(low), math.log(high)))
    # Zooming out past the image would only add mirrored pixels without labels.
    most = max(tile_px, min(shape) // step * step)
    return min(max(1, round(tile_px / zoom / step)) * step, most)


def _draw_span(
    length: int, side: int, generator: np.random.Generator, step: int
) -> _Span:
    spare = int((length - side) / step)
    start = step * int(generator.integers(min(0, spare), max(0, spare) + 1))
    return _Span(start, side, length)


def _cut(
    image: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    crop: _Crop,
    tile_px: int,
) -> ImageAndLabels:
    rows, columns = crop
    here = rows.inside, columns.inside
    image, labels = padded(image[here], labels[here], rows.padding, columns.padding)
    return _resized(image, labels, tile_px)


def _cut_map(
    raster: npt.NDArray[np.floating], crop: _Crop, stride: int, cells: int
) -> npt.NDArray[np.float16]:
    rows, columns = (span.in_cells(stride) for span in crop)
    raster = raster[rows.inside, columns.inside]
    if any(rows.padding + columns.padding):
        # What is put there does not count: the labels are void.
        raster = np.pad(raster, (rows.padding, columns.padding, (0, 0)), mode="edge")
    if raster.shape[0] != cells:
        raster = raster.astype(np.float32)
        for _ in range(2):  # rows, then columns
            raster = _resampled(raster, cells).swapaxes(0, 1)
    return raster.astype(np.float16)


def _resampled(raster: npt.NDArray[np.float32], cells: int) -> npt.NDArray[np.float32]:
    """Rows of a map, resampled to another number of rows."""
    rows, weights = _taps(len(raster), cells)
    result = np.zeros((cells, *raster.shape[1:]), np.float32)
    for row, weight in zip(rows, weights, strict=True):
        result += weight[:, None, None] * raster[row]
    return result


@lru_cache(256)
def _taps(length: int, cells: int) -> tuple[np.ndarray, npt.NDArray[np.float32]]:
    """Old rows that each new one is a mean of, and their weights, `(taps, cells)`.

    Bilinear as in Pillow: a triangle about the middle of each new row, as wide as two
    old rows or, where there are fewer new ones, as two of those.
    """
    scale = length / cells
    middles = (np.arange(cells) + 0.5) * scale
    support = max(1.0, scale)
    first = np.floor(middles - support).astype(int)
    rows = first + np.arange(math.ceil(2 * support) + 1)[:, None]
    weights = np.maximum(0, 1 - np.abs(rows + 0.5 - middles) / support)
    weights[(rows < 0) | (rows >= length)] = 0
    used = weights.any(axis=1)
    weights = (weights / weights.sum(axis=0)).astype(np.float32)
    return np.clip(rows, 0, length - 1)[used], weights[used]


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


def _draw_pose(
    augmentation: Augmentation, generator: np.random.Generator
) -> Callable[[np.ndarray], np.ndarray]:
    """What turns and flips an array `(rows, columns, ...)`."""
    row_step, column_step, turns = 1, 1, 0
    if augmentation.flips:
        row_step, column_step = generator.choice((1, -1), size=2)
    if augmentation.quarter_turns:
        turns = int(generator.integers(4))
    return lambda pixels: np.rot90(pixels[::row_step, ::column_step], turns)


def recolored(
    image: npt.NDArray[np.uint8], strength: float, generator: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Change contrast, brightness and the balance of the channels of an image.

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
