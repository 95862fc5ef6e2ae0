"""Random training tiles: cut, zoomed, turned and recoloured, labels alongside."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from segshrink.data.annotated import ImageAndLabels
from segshrink.data.classes import IGNORE_INDEX
from segshrink.data.pictures import by_pictures
from segshrink.recipe import Augmentation

MIDDLE_LEVEL = 127.5

# A colour cast stays smaller than changes of brightness, since hues tell classes
# apart.
_CAST_OF_STRENGTH = 0.25

# What Pillow calls the poses of `TileDraw`: swapped, rows reversed, columns reversed.
_POSES = {
    (False, True, False): Image.Transpose.FLIP_TOP_BOTTOM,
    (False, False, True): Image.Transpose.FLIP_LEFT_RIGHT,
    (False, True, True): Image.Transpose.ROTATE_180,
    (True, False, False): Image.Transpose.TRANSPOSE,
    (True, True, False): Image.Transpose.ROTATE_90,
    (True, False, True): Image.Transpose.ROTATE_270,
    (True, True, True): Image.Transpose.TRANSVERSE,
}


@dataclass(frozen=True)
class Recoloring:
    """A change of contrast, brightness and the balance of the bands.

    Attributes:
        contrast: factor about the middle level.
        brightness: grey levels that are added.
        cast: a factor per band.
    """

    contrast: float = 1.0
    brightness: float = 0.0
    cast: tuple[float, ...] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class TileDraw:
    """Random numbers that determine one training tile of an image.

    A square crop is resampled to the size of the tile, recoloured, and flipped and
    turned.

    Attributes:
        top: first row of the crop in source pixels; below 0 it begins above the image.
        left: first column likewise.
        side: rows and columns of the crop, at least 1.
        recoloring: change of colours; None keeps them.
        swapped: whether rows and columns are exchanged, before they are reversed.
        rows_reversed: whether the tile is then flipped upside down.
        columns_reversed: whether it is then flipped left to right.
    """

    top: int
    left: int
    side: int
    recoloring: Recoloring | None = None
    swapped: bool = False
    rows_reversed: bool = False
    columns_reversed: bool = False

    def spans(self, shape: tuple[int, ...]) -> tuple["_Span", "_Span"]:
        """Rows and columns of the crop within an image of `shape`."""
        height, width = shape[:2]
        return _Span(self.top, self.side, height), _Span(self.left, self.side, width)

    def pose(self, pixels: np.ndarray) -> np.ndarray:
        """Flip and turn an array `(rows, columns, ...)`."""
        if self.swapped:
            pixels = pixels.swapaxes(0, 1)
        steps = (-1 if self.rows_reversed else 1, -1 if self.columns_reversed else 1)
        return pixels[:: steps[0], :: steps[1]]

    def pose_picture(self, picture: Image.Image) -> Image.Image:
        """Flip and turn a picture as `pose` does, several times faster than NumPy."""
        pose = _POSES.get((self.swapped, self.rows_reversed, self.columns_reversed))
        return picture if pose is None else picture.transpose(pose)


def draw_tile(
    shape: tuple[int, ...],
    tile_px: int,
    augmentation: Augmentation,
    generator: np.random.Generator,
    *,
    color_generator: np.random.Generator | None,
    step: int = 1,
    num_bands: int = 3,
) -> TileDraw:
    """Draw the numbers of one training tile.

    Args:
        shape: height and width of the image in pixels.
        tile_px: side of the tile in pixels.
        augmentation: the random changes and their strength.
        generator: source of randomness for place, zoom, flips and turns.
        color_generator: source of randomness for the colours, which may be the same;
            None keeps them.
        step: the crop begins and ends at multiples of it, in source pixels.
        num_bands: bands of the image.
    """
    side = _draw_side(shape, tile_px, augmentation, generator, step)
    top, left = (_draw_start(length, side, generator, step) for length in shape)
    recoloring = None
    if augmentation.photometric and color_generator is not None:
        recoloring = draw_recoloring(
            augmentation.photometric, color_generator, num_bands
        )
    swapped, *reversed_ = _draw_pose(augmentation, generator)
    return TileDraw(top, left, side, recoloring, swapped, *reversed_)


def crop_sides(tile_px: int, augmentation: Augmentation) -> tuple[int, int]:
    """Least and greatest side of a crop that `draw_tile` draws with `step=1`."""
    low, high = augmentation.scale_jitter
    # A side that would exceed its image is cut down, though never below the tile.
    least = min(tile_px, round(tile_px / high))
    return max(1, least), max(1, round(tile_px / low))


def draw_recoloring(
    strength: float, generator: np.random.Generator, num_bands: int = 3
) -> Recoloring:
    """Draw a change of colours.

    With s = `strength` in (0, 1]: contrast by a factor in 1 ± s about the middle,
    brightness by ± s / 2 of the range, each band by a factor in 1 ± s / 4.
    """
    contrast = 1 + strength * generator.uniform(-1, 1)
    brightness = MIDDLE_LEVEL * strength * generator.uniform(-1, 1)
    cast = 1 + _CAST_OF_STRENGTH * strength * generator.uniform(-1, 1, size=num_bands)
    return Recoloring(contrast, brightness, tuple(cast))


def cut_tile(
    image: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    draw: TileDraw,
    tile_px: int,
) -> ImageAndLabels:
    """Cut the tile that `draw` describes.

    Args:
        image: uint8 `(height, width, bands)`.
        labels: uint8 `(height, width)`.
        draw: the numbers of the tile.
        tile_px: side of the tile in pixels.

    Returns:
        (image, labels) of the tile: `(tile_px, tile_px, bands)` and
        `(tile_px, tile_px)`.
        Where the image is smaller than the crop it is mirrored, with void labels.
    """
    rows, columns = draw.spans(labels.shape)
    here = rows.inside, columns.inside
    image, labels = padded(image[here], labels[here], rows.padding, columns.padding)
    near = _resized_labels(labels, tile_px)
    table = None if draw.recoloring is None else _level_table(draw.recoloring)

    def changed(picture: Image.Image, bands: slice) -> Image.Image:
        picture = _resized(picture, tile_px)
        if table is not None:
            picture = picture.point(table[bands].ravel().tolist())
        return draw.pose_picture(picture)

    return by_pictures(image, changed), draw.pose(near)


def cut_map(
    raster: npt.NDArray[np.floating],
    draw: TileDraw,
    shape: tuple[int, ...],
    *,
    stride: int,
    tile_px: int,
) -> npt.NDArray[np.float16]:
    """Cut the same tile from a map of the image.

    A crop that begins and ends between cells of the map gives exactly its cells, also
    flipped and turned; a zoom resamples them.

    Args:
        raster: `(ceil(height / stride), ceil(width / stride), channels)`; a cell of it
            belongs to `stride` x `stride` pixels.
        draw: numbers of the tile, drawn with `step=stride`.
        shape: height and width of the image in pixels.
        stride: side of a cell in pixels; it divides `tile_px`.
        tile_px: side of the tile in pixels.

    Returns:
        `(tile_px / stride, tile_px / stride, channels)`.
    """
    cells = tile_px // stride
    rows, columns = (span.in_cells(stride) for span in draw.spans(shape))
    raster = raster[rows.inside, columns.inside]
    if any(rows.padding + columns.padding):
        # The padding does not count, since its labels are void.
        raster = np.pad(raster, (rows.padding, columns.padding, (0, 0)), mode="edge")
    if raster.shape[0] != cells:
        raster = raster.astype(np.float32)
        for _ in range(2):  # rows, then columns
            raster = _resampled(raster, cells).swapaxes(0, 1)
    return draw.pose(raster.astype(np.float16))


@dataclass(frozen=True)
class _Span:
    """A crop along one axis: its start, its length, and the length of the image."""

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
    # Zooming out beyond the image would only add mirrored pixels without labels.
    most = max(tile_px, min(shape) // step * step)
    return min(max(1, round(tile_px / zoom / step)) * step, most)


def _draw_start(
    length: int, side: int, generator: np.random.Generator, step: int
) -> int:
    spare = int((length - side) / step)
    return step * int(generator.integers(min(0, spare), max(0, spare) + 1))


def _resampled(raster: npt.NDArray[np.float32], cells: int) -> npt.NDArray[np.float32]:
    """Values of a map, resampled to another number of rows."""
    rows, weights = _taps(len(raster), cells)
    result = np.zeros((cells, *raster.shape[1:]), np.float32)
    for row, weight in zip(rows, weights, strict=True):
        result += weight[:, None, None] * raster[row]
    return result


@lru_cache(256)
def _taps(length: int, cells: int) -> tuple[np.ndarray, npt.NDArray[np.float32]]:
    """Old rows that each new row averages, and their weights, `(taps, cells)`.

    The filter is bilinear as in Pillow: a triangle around the middle of each new row,
    two old rows wide or, when reducing, two new rows wide.
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
        image: uint8 `(height, width, bands)`.
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


def _resized(picture: Image.Image, tile_px: int) -> Image.Image:
    size = tile_px, tile_px
    if picture.size == size:
        return picture
    return picture.resize(size, Image.Resampling.BILINEAR)


def _resized_labels(
    labels: npt.NDArray[np.uint8], tile_px: int
) -> npt.NDArray[np.uint8]:
    size = tile_px, tile_px
    if labels.shape == size:
        return labels
    picture = Image.fromarray(np.ascontiguousarray(labels))
    return np.asarray(picture.resize(size, Image.Resampling.NEAREST))


def _draw_pose(
    augmentation: Augmentation, generator: np.random.Generator
) -> tuple[bool, bool, bool]:
    """Draw flips and quarter turns, as a swap of the axes and two reversals."""
    rows, columns, turns = False, False, 0
    if augmentation.flips:
        rows, columns = (bool(sign < 0) for sign in generator.choice((1, -1), size=2))
    if augmentation.quarter_turns:
        turns = int(generator.integers(4))
    return {
        0: (False, rows, columns),
        1: (True, not columns, rows),
        2: (False, not rows, not columns),
        3: (True, columns, not rows),
    }[turns]


def recolored(
    image: npt.NDArray[np.uint8], recoloring: Recoloring
) -> npt.NDArray[np.uint8]:
    """Change the colours of an image, `(height, width, bands)`."""
    table = _level_table(recoloring)
    return by_pictures(
        image, lambda picture, bands: picture.point(table[bands].ravel().tolist())
    )


def _level_table(recoloring: Recoloring) -> npt.NDArray[np.int64]:
    """New level of each of 256 in each band, `(bands, 256)`."""
    levels = recoloring.contrast * (np.arange(256) - MIDDLE_LEVEL)
    levels = np.outer(recoloring.cast, levels + MIDDLE_LEVEL + recoloring.brightness)
    return np.clip(np.rint(levels), 0, 255).astype(np.int64)
