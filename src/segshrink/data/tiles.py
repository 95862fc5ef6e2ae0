"""Batches of random training tiles."""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from segshrink.data.annotated import ImageAndLabels, Part
from segshrink.data.augmentation import random_tile
from segshrink.data.cache import ImageCache
from segshrink.data.schedule import plan_epoch
from segshrink.recipe import Augmentation

_BYTES_PER_PIXEL = 4  # three of the image, one of the labels

# Epochs whose order is kept: that in work, and those that workers read ahead.
_PLANS_KEPT = 4


class TileSampler:
    """Draws batches of random tiles from a part.

    An epoch takes tiles from every image in proportion to its area, at least one if
    there are enough tiles. If the part exceeds `cache_bytes` when decoded, tiles of an
    image come near each other, so that each image is decoded about once an epoch.

    Args:
        part: the images, at least one.
        tile_px: side of a tile in pixels.
        batch_size: tiles in a batch.
        seed: int >= 0.
        augmentation: which changes are made to tiles.
        tiles_per_epoch: rounded up to whole batches. None is as many as cover every
            image once.
        cache_bytes: limit of the decoded images that are held, in bytes.

    Raises:
        ValueError: if the part is empty or a number is not positive.
    """

    def __init__(
        self,
        part: Part,
        *,
        tile_px: int,
        batch_size: int,
        seed: int,
        augmentation: Augmentation,
        tiles_per_epoch: int | None = None,
        cache_bytes: int = 512 << 20,
    ) -> None:
        if len(part) == 0:
            raise ValueError(f"the {part.name} part has no images")
        _require_positive(tile_px=tile_px, batch_size=batch_size)
        if tiles_per_epoch is not None:
            _require_positive(tiles_per_epoch=tiles_per_epoch)
        self.tile_px = tile_px
        self.batch_size = batch_size
        self._seed = seed
        self._augmentation = augmentation
        self._areas = np.array([image.height_px * image.width_px for image in part])
        self._cache = ImageCache(part, cache_bytes)
        self._pixels_at_once = cache_bytes // _BYTES_PER_PIXEL
        tiles = tiles_per_epoch or self._tiles_that_cover()
        self.steps_per_epoch = math.ceil(tiles / batch_size)
        self._plan = lru_cache(_PLANS_KEPT)(self._plan_epoch)

    def _tiles_that_cover(self) -> int:
        per_image = self._areas / self.tile_px**2
        return int(np.maximum(1, np.rint(per_image)).sum())

    def _plan_epoch(self, epoch: int) -> npt.NDArray[np.int64]:
        return plan_epoch(
            self._areas,
            self.steps_per_epoch * self.batch_size,
            pixels_at_once=self._pixels_at_once,
            generator=self._generator(epoch, 0),
        )

    def batch(self, epoch: int, step: int) -> ImageAndLabels:
        """One batch; the same arguments always give the same batch.

        Threads may ask for different batches at the same time.

        Args:
            epoch: int >= 0.
            step: 0 to `steps_per_epoch` - 1.

        Returns:
            (images, labels): uint8 `(batch_size, tile_px, tile_px, 3)` and uint8
            `(batch_size, tile_px, tile_px)`.

        Raises:
            ValueError: if `step` is out of range.
            DatasetError: if an image cannot be decoded.
        """
        if not 0 <= step < self.steps_per_epoch:
            raise ValueError(
                f"step must be 0 to {self.steps_per_epoch - 1}, got {step}"
            )
        shape = (self.batch_size, self.tile_px, self.tile_px)
        images = np.empty((*shape, 3), np.uint8)
        labels = np.empty(shape, np.uint8)
        for place in range(self.batch_size):
            position = step * self.batch_size + place
            images[place], labels[place] = self._tile(epoch, position)
        return images, labels

    def _tile(self, epoch: int, position: int) -> ImageAndLabels:
        image, labels = self._cache.get(int(self._plan(epoch)[position]))
        return random_tile(
            image,
            labels,
            tile_px=self.tile_px,
            augmentation=self._augmentation,
            generator=self._generator(epoch, 1 + position),
        )

    def _generator(self, epoch: int, stream: int) -> np.random.Generator:
        # Streams count from 0 for the plan: numpy takes (seed, epoch) and
        # (seed, epoch, 0) for the same seed.
        return np.random.default_rng((self._seed, epoch, stream))


def _require_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")


def plain_tiles(part: Part, tile_px: int, count: int) -> ImageAndLabels:
    """Random tiles as they are, without augmentation; always the same ones.

    Args:
        part: the images, at least one.
        tile_px: side of a tile in pixels.
        count: number of tiles.

    Returns:
        (images, labels) as `TileSampler.batch`, with `count` for `batch_size`.
    """
    plain = Augmentation(
        flips=False, quarter_turns=False, scale_jitter=(1.0, 1.0), photometric=0.0
    )
    sampler = TileSampler(
        part,
        tile_px=tile_px,
        batch_size=count,
        seed=0,
        augmentation=plain,
        tiles_per_epoch=count,
    )
    return sampler.batch(0, 0)
