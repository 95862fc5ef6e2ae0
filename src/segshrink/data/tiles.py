"""Batches of random training tiles."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from segshrink.data.annotated import ImageAndLabels, Part
from segshrink.data.augmentation import TileDraw, cut_map, cut_tile, draw_tile
from segshrink.data.cache import ImageCache
from segshrink.data.mixing import (
    Mixing,
    TileMix,
    draw_mixes,
    mixed_tiles,
    replaced_cells,
)
from segshrink.data.schedule import plan_epoch
from segshrink.recipe import Augmentation

_STREAM_OF_MIXES = 1

# The order of as many epochs is kept: the current one and those read ahead.
_PLANS_KEPT = 4


class ImageMaps(Protocol):
    """A map for each image of a part, such as the logits of a teacher.

    Attributes:
        stride: side of a cell of the map in image pixels; divides the tile.
        channels: channels of a map.
        views: maps for each image. Map 0 is of the image as it is; map v > 0 of the
            image with the colours of `color_generator(index, v)`.
    """

    @property
    def stride(self) -> int: ...  # noqa: D102

    @property
    def channels(self) -> int: ...  # noqa: D102

    @property
    def views(self) -> int: ...  # noqa: D102

    def get(self, index: int, view: int) -> npt.NDArray[np.floating]:
        """Map of `part[index]`, `(ceil(height / stride), ceil(width / stride), c)`."""

    def color_generator(self, index: int, view: int) -> np.random.Generator | None:
        """Generator of the colours of a view; None for the unchanged image."""


TilesAndMaps = tuple[
    npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.float16]
]
"""Images and labels as `TileSampler.batch` returns them, with float16 maps."""


@dataclass(frozen=True, kw_only=True)
class TileSettings:
    """Size, number and augmentation of the tiles of an epoch.

    Attributes:
        tile_px: side of a tile in pixels.
        batch_size: tiles in a batch.
        augmentation: random changes of the tiles.
        tiles_per_epoch: rounded up to whole batches. None is as many as cover every
            image once.
        cache_bytes: limit of the decoded images that are held, in bytes.
        unlabelled_share: share in (0, 1) of each batch that is cut from images without
            labels, if there are any; rounded to whole tiles, at least one of each kind.
        mixing: how half of the tiles are mixed with others of their batch; None leaves
            all as they are. mixup cannot be combined with maps, since no map tells what
            a mixture is.

    Raises:
        ValueError: if a number of pixels or tiles is not positive, or the share is out
            of range.
    """

    tile_px: int
    batch_size: int
    augmentation: Augmentation
    tiles_per_epoch: int | None = None
    cache_bytes: int = 512 << 20
    unlabelled_share: float = 0.5
    mixing: Mixing | None = None

    def __post_init__(self) -> None:
        for name in ("tile_px", "batch_size", "tiles_per_epoch"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}")
        if not 0 < self.unlabelled_share < 1:
            raise ValueError(
                f"unlabelled_share must be between 0 and 1, got {self.unlabelled_share}"
            )

    @property
    def unlabelled_tiles(self) -> int:
        """Tiles of a batch that are cut from images without labels."""
        wanted = round(self.batch_size * self.unlabelled_share)
        return min(max(1, wanted), self.batch_size - 1)


class TileSampler:
    """Draws batches of random tiles from a part.

    An epoch takes tiles from every image in proportion to its area, at least one if
    there are enough tiles. If the part exceeds `cache_bytes` when decoded, tiles of an
    image come near each other, so that each image is decoded about once per epoch.
    With images without labels, the last tiles of each batch are cut from those.

    Args:
        part: the images, at least one.
        settings: size, number and augmentation of the tiles.
        seed: int >= 0.
        maps: maps of the images for `batch_with_maps`, those without labels last. With
            one view, colours change as they do without maps.
        unlabelled: images without labels.

    Attributes:
        part: all images, those without labels last.

    Raises:
        ValueError: if a part is empty, the stride of the maps does not divide the tile,
            or a batch of one tile is to hold two kinds.
    """

    def __init__(
        self,
        part: Part,
        settings: TileSettings,
        *,
        seed: int,
        maps: ImageMaps | None = None,
        unlabelled: Part | None = None,
    ) -> None:
        for given in (part, unlabelled):
            if given is not None and len(given) == 0:
                raise ValueError(f"the {given.name} part has no images")
        if unlabelled is not None and settings.batch_size < 2:
            raise ValueError(
                "a batch of labelled and unlabelled tiles needs two, got batch_size 1"
            )
        if maps is not None and settings.tile_px % maps.stride:
            raise ValueError(
                f"tile_px {settings.tile_px} is not a multiple of {maps.stride}"
            )
        if maps is not None and settings.mixing == "mixup":
            raise ValueError("mixup cannot be combined with maps, take cutmix")
        self.tile_px = settings.tile_px
        self.maps = maps
        self._mixing = settings.mixing
        self.batch_size = settings.batch_size
        self._seed = seed
        self._augmentation = settings.augmentation
        self._labelled = len(part)
        self._without_labels = settings.unlabelled_tiles if unlabelled else 0
        self.part = part = part.joined(unlabelled) if unlabelled else part
        self._shapes = [(image.height_px, image.width_px) for image in part]
        self._areas = np.array([height * width for height, width in self._shapes])
        self._cache = ImageCache(part, settings.cache_bytes)
        self._pixels_at_once = settings.cache_bytes // (part.num_bands + 1)
        tiles = settings.tiles_per_epoch or self._tiles_that_cover()
        self.steps_per_epoch = math.ceil(tiles / settings.batch_size)
        self._plan = lru_cache(_PLANS_KEPT)(self._plan_epoch)

    def _tiles_that_cover(self) -> int:
        per_image = self._areas[: self._labelled] / self.tile_px**2
        return int(np.maximum(1, np.rint(per_image)).sum())

    def _plan_epoch(self, epoch: int) -> npt.NDArray[np.int64]:
        generator = self._generator(epoch, 0)
        areas, others = np.split(self._areas, [self._labelled])
        if not self._without_labels:
            return self._plan_of(
                areas, self.batch_size, self._pixels_at_once, generator
            )
        # Both kinds of images are held at once.
        at_once = self._pixels_at_once // 2
        with_labels = self.batch_size - self._without_labels
        first = self._plan_of(areas, with_labels, at_once, generator)
        then = self._plan_of(others, self._without_labels, at_once, generator)
        by_step = (
            first.reshape(-1, with_labels),
            then.reshape(-1, self._without_labels) + self._labelled,
        )
        return np.concatenate(by_step, axis=1).ravel()

    def _plan_of(
        self,
        areas: npt.NDArray[np.int64],
        tiles_per_step: int,
        pixels_at_once: int,
        generator: np.random.Generator,
    ) -> npt.NDArray[np.int64]:
        return plan_epoch(
            areas,
            self.steps_per_epoch * tiles_per_step,
            pixels_at_once=pixels_at_once,
            generator=generator,
        )

    def batch(self, epoch: int, step: int) -> ImageAndLabels:
        """One batch; the same arguments always give the same batch.

        Threads may draw different batches at the same time.

        Args:
            epoch: int >= 0.
            step: 0 to `steps_per_epoch` - 1.

        Returns:
            (images, labels): uint8 `(batch_size, tile_px, tile_px, bands)` and uint8
            `(batch_size, tile_px, tile_px)`.

        Raises:
            ValueError: if `step` is out of range.
            DatasetError: if an image cannot be decoded.
        """
        shape = (self.batch_size, self.tile_px, self.tile_px)
        images = np.empty((*shape, self.part.num_bands), np.uint8)
        labels = np.empty(shape, np.uint8)
        for place, position in enumerate(self._positions(step)):
            images[place], labels[place] = self._tile(epoch, position)
        mixes = self.mixes(epoch, step)
        return mixed_tiles(images, labels, mixes) if mixes else (images, labels)

    def mixes(self, epoch: int, step: int) -> list[TileMix]:
        """How the tiles of `batch` are mixed with each other; empty without mixing."""
        if self._mixing is None:
            return []
        return draw_mixes(
            self._mixing,
            self.batch_size,
            self.tile_px,
            # One number more than the streams of the tiles.
            np.random.default_rng((self._seed, epoch, step, _STREAM_OF_MIXES)),
            step=self.maps.stride if self.maps else 1,
        )

    def draws(self, epoch: int, step: int) -> list[tuple[int, TileDraw]]:
        """The numbers that make the tiles of `batch`, each with its image's position.

        Those of `mixes` come after them.

        Raises:
            ValueError: if `step` is out of range.
        """
        return [self._draw(epoch, position) for position in self._positions(step)]

    def batch_with_maps(self, epoch: int, step: int) -> TilesAndMaps:
        """One batch with the same crops of `maps`; crops are multiples of the stride.

        Args and errors are those of `batch`.

        Returns:
            (images, labels, maps); maps are float16 `(batch_size, cells, cells,
            channels)` with `cells = tile_px / stride`.
        """
        if self.maps is None:
            raise ValueError("this sampler has no maps")
        cells = self.tile_px // self.maps.stride
        shape = (self.batch_size, self.tile_px, self.tile_px)
        images = np.empty((*shape, self.part.num_bands), np.uint8)
        labels = np.empty(shape, np.uint8)
        maps = np.empty((shape[0], cells, cells, self.maps.channels), np.float16)
        for place, position in enumerate(self._positions(step)):
            images[place], labels[place], maps[place] = self._tile_with_map(
                epoch, position, self.maps
            )
        if mixes := self.mixes(epoch, step):
            images, labels = mixed_tiles(images, labels, mixes)
            maps = replaced_cells(maps, mixes, self.maps.stride)
        return images, labels, maps

    def _positions(self, step: int) -> range:
        if not 0 <= step < self.steps_per_epoch:
            raise ValueError(
                f"step must be 0 to {self.steps_per_epoch - 1}, got {step}"
            )
        return range(step * self.batch_size, (step + 1) * self.batch_size)

    def _tile(self, epoch: int, position: int) -> ImageAndLabels:
        index, draw = self._draw(epoch, position)
        return cut_tile(*self._cache.get(index), draw, self.tile_px)

    def _draw(self, epoch: int, position: int) -> tuple[int, TileDraw]:
        index = int(self._plan(epoch)[position])
        generator = self._generator(epoch, 1 + position)
        draw = draw_tile(
            self._shapes[index],
            self.tile_px,
            self._augmentation,
            generator,
            color_generator=generator,
            num_bands=self.part.num_bands,
        )
        return index, draw

    def _tile_with_map(
        self, epoch: int, position: int, maps: ImageMaps
    ) -> TilesAndMaps:
        index = int(self._plan(epoch)[position])
        image, labels = self._cache.get(index)
        generator = self._generator(epoch, 1 + position)
        view = 0
        colors: np.random.Generator | None = generator
        if maps.views > 1:
            view = int(generator.integers(maps.views))
            colors = maps.color_generator(index, view)
        draw = draw_tile(
            labels.shape,
            self.tile_px,
            self._augmentation,
            generator,
            color_generator=colors,
            step=maps.stride,
            num_bands=self.part.num_bands,
        )
        cells = cut_map(
            maps.get(index, view),
            draw,
            labels.shape,
            stride=maps.stride,
            tile_px=self.tile_px,
        )
        return *cut_tile(image, labels, draw, self.tile_px), cells

    def _generator(self, epoch: int, stream: int) -> np.random.Generator:
        # Stream 0 is that of the plan: (seed, epoch) and (seed, epoch, 0) are the same
        # seed to NumPy.
        return np.random.default_rng((self._seed, epoch, stream))


def plain_tiles(
    part: Part, size_px: int | tuple[int, int], count: int
) -> ImageAndLabels:
    """Random tiles without augmentation, always the same ones.

    Args:
        part: the images, at least one.
        size_px: side of a tile in pixels, or its height and width.
        count: number of tiles.

    Returns:
        (images, labels) as `TileSampler.batch` returns them, `count` of each.
    """
    height_px, width_px = np.broadcast_to(size_px, 2).tolist()
    side_px = max(height_px, width_px)
    plain = Augmentation(
        flips=False, quarter_turns=False, scale_jitter=(1.0, 1.0), photometric=0.0
    )
    settings = TileSettings(
        tile_px=side_px, batch_size=count, augmentation=plain, tiles_per_epoch=count
    )
    images, labels = TileSampler(part, settings, seed=0).batch(0, 0)
    images, labels = (x[:, :height_px, :width_px] for x in (images, labels))
    return np.ascontiguousarray(images), np.ascontiguousarray(labels)
