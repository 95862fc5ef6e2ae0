"""Tiles of a regular grid that cover every pixel of a part once."""

from collections.abc import Iterator

import numpy as np

from segshrink.data.annotated import AnnotatedImage, ImageAndLabels, Part
from segshrink.data.augmentation import padded


def iter_tiles(
    part: Part, *, tile_px: int, batch_size: int
) -> Iterator[ImageAndLabels]:
    """Cut each image into tiles side by side and yield them in batches.

    Tiles that reach over the right or lower edge are filled with the mirrored image
    and void labels, so that every pixel counts exactly once. One image is held at a
    time.

    Args:
        part: the images.
        tile_px: side of a tile in pixels, at least 1.
        batch_size: tiles in a batch, at least 1; the last batch may have fewer.

    Yields:
        (images, labels): uint8 `(batch, tile_px, tile_px, 3)` and uint8
        `(batch, tile_px, tile_px)`.

    Raises:
        ValueError: if `tile_px` or `batch_size` is not positive.
        DatasetError: if an image cannot be decoded.
    """
    if tile_px < 1 or batch_size < 1:
        raise ValueError(
            f"tile_px and batch_size must be at least 1, got {tile_px} and {batch_size}"
        )
    waiting: list[ImageAndLabels] = []
    for annotated in part:
        for tile in _tiles_of(annotated, tile_px):
            waiting.append(tile)
            if len(waiting) == batch_size:
                yield _stacked(waiting)
                waiting = []
    if waiting:
        yield _stacked(waiting)


def _tiles_of(annotated: AnnotatedImage, tile_px: int) -> Iterator[ImageAndLabels]:
    image, labels = annotated.read()
    height, width = labels.shape
    image, labels = padded(image, labels, (0, -height % tile_px), (0, -width % tile_px))
    for top in range(0, height, tile_px):
        for left in range(0, width, tile_px):
            here = (slice(top, top + tile_px), slice(left, left + tile_px))
            yield image[here], labels[here]


def _stacked(tiles: list[ImageAndLabels]) -> ImageAndLabels:
    images, labels = zip(*tiles, strict=True)
    return np.stack(images), np.stack(labels)
