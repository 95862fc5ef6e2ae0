"""Teachers that are asked for nothing but the logits of images."""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

from segshrink.data import AnnotatedImage, SlidingWindow, map_by_tiles, tiles_in_order
from segshrink.distillation.digests import model_digest
from segshrink.distillation.test_time_augmentation import (
    AUGMENTATIONS,
    predict_augmented,
)
from segshrink.training.device_tiles import has_accelerator

_BATCH = 8
_BATCH_ON_ACCELERATOR = 64
_LEAST_PROBABILITY = 1e-7
# Probabilities of int8 files are multiples of 1/256.
_MOST_DEVIATION = 0.02


class LogitsSource(Protocol):
    """Gives the logits of images, whatever computes them.

    Attributes:
        num_classes: number of logits per pixel.
        tile_px: height and width of the tiles that it predicts; None if it has no
            tiles, or several sizes.
        is_stored: whether the logits were made before, so that they cannot follow a
            change of the image.
    """

    @property
    def num_classes(self) -> int: ...  # noqa: D102
    @property
    def tile_px(self) -> tuple[int, int] | None: ...  # noqa: D102
    @property
    def is_stored(self) -> bool: ...  # noqa: D102

    def digest(self) -> str:
        """Digest of everything that its logits depend on besides the images."""
        ...

    def logits(
        self,
        image: AnnotatedImage,
        pixels: np.ndarray,
        *,
        overlap: float,
        averaged: bool,
    ) -> npt.NDArray[np.float32]:
        """Logits of every pixel of an image.

        Args:
            image: the image; stored logits are found by its name.
            pixels: RGB 0-255 `(height, width, 3)`, in the colours to predict for.
            overlap: share by which tiles overlap.
            averaged: whether to take means over flips and quarter turns, see
                `predict_augmented`.

        Returns:
            float32 `(height, width, num_classes)`.
        """
        ...


Teacher: TypeAlias = keras.Model | LogitsSource
"""A Keras model, which can run in each step, or a source of logits."""


@dataclass(frozen=True, kw_only=True)
class TiledLogits:
    """Logits of a model that predicts tiles of one size; see `LogitsSource`.

    Attributes:
        predict: images `(batch, *tile_px, 3)` to logits `(batch, *tile_px,
            num_classes)`.
        tile_px: height and width of the tiles in pixels.
        num_classes: number of logits per pixel.
        digest: gives the digest of the model.
        batch_size: tiles that are predicted at once.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    tile_px: tuple[int, int]
    num_classes: int
    digest: Callable[[], str]
    batch_size: int = 1
    is_stored: bool = False

    def logits(
        self,
        image: AnnotatedImage,
        pixels: np.ndarray,
        *,
        overlap: float,
        averaged: bool,
    ) -> npt.NDArray[np.float32]:
        """Logits of the tiles of an image, blended; see `LogitsSource.logits`."""
        predict, batch_size = self.predict, self.batch_size
        if averaged:
            # One tile already makes a batch of augmented ones.
            predict, batch_size = partial(predict_augmented, predict), 1
        tiles = SlidingWindow(
            size_px=(pixels.shape[0], pixels.shape[1]),
            tile_px=self.tile_px,
            overlap=overlap,
        ).count_tiles()
        return map_by_tiles(
            predict,
            pixels,
            tile_px=self.tile_px,
            channels=self.num_classes,
            overlap=overlap,
            # A batch is filled up, so that a large one would be wasted on few tiles.
            batch_size=min(batch_size, tiles),
        )

    def logits_of_all(
        self, images: Iterable[np.ndarray], *, overlap: float, averaged: bool
    ) -> Iterator[npt.NDArray[np.float32]]:
        """Logits of each image in turn, from batches that are filled across images.

        Args:
            images: RGB 0-255 `(height, width, 3)` each.
            overlap: as for `logits`.
            averaged: as for `logits`.

        Yields:
            float32 `(height, width, num_classes)`.
        """
        ahead, images = itertools.tee(images)
        tiles = itertools.chain.from_iterable(
            tiles_in_order(image, tile_px=self.tile_px, overlap=overlap)
            for image in ahead
        )
        answers = self._answers(tiles, averaged)
        for image in images:
            yield map_by_tiles(
                # These are the answers for the very tiles that it asks for.
                lambda _: next(answers)[None],
                image,
                tile_px=self.tile_px,
                channels=self.num_classes,
                overlap=overlap,
            )

    def _answers(
        self, tiles: Iterator[np.ndarray], averaged: bool
    ) -> Iterator[np.ndarray]:
        """Logits of each tile; all batches are of one size, the last is filled up."""
        predict, size = self.predict, self.batch_size
        if averaged:
            predict = partial(predict_augmented, predict)
            size = max(1, size // AUGMENTATIONS)
        while batch := list(itertools.islice(tiles, size)):
            full = batch + [np.zeros_like(batch[0])] * (size - len(batch))
            yield from np.asarray(predict(np.stack(full)))[: len(batch)]


class MeanLogits:
    """The mean of the probabilities of several teachers, as log-probabilities.

    Losses on logits take log-probabilities as they are: their softmax is the mean. See
    `LogitsSource`.

    Args:
        sources: the teachers, of the same classes in the same order.
    """

    tile_px = None

    def __init__(self, sources: Sequence[LogitsSource]) -> None:
        self.sources = tuple(sources)
        self.num_classes = self.sources[0].num_classes
        self.is_stored = any(source.is_stored for source in self.sources)

    def digest(self) -> str:
        """Digest of those of the teachers, in any order."""
        digests = sorted(source.digest() for source in self.sources)
        return hashlib.sha256(" ".join(digests).encode()).hexdigest()

    def logits(
        self,
        image: AnnotatedImage,
        pixels: np.ndarray,
        *,
        overlap: float,
        averaged: bool,
    ) -> npt.NDArray[np.float32]:
        """See `LogitsSource.logits`."""
        total: npt.NDArray[np.float32] = np.zeros((), np.float32)
        for source in self.sources:
            logits = source.logits(image, pixels, overlap=overlap, averaged=averaged)
            total = total + _softmax(logits)
        return log_probabilities(total / np.float32(len(self.sources)))


def as_source(teacher: Teacher) -> LogitsSource:
    """A Keras model as a source of logits; a source as it is."""
    if not isinstance(teacher, keras.Model):
        return teacher
    _, height_px, width_px, num_classes = teacher.output_shape
    return TiledLogits(
        predict=teacher.predict_on_batch,
        tile_px=(height_px, width_px),
        num_classes=int(num_classes),
        digest=partial(model_digest, teacher),
        batch_size=_BATCH_ON_ACCELERATOR if has_accelerator() else _BATCH,
    )


def are_probabilities(values: np.ndarray) -> bool:
    """Whether values of pixels are probabilities of classes rather than logits.

    Args:
        values: float `(..., classes)`.

    Returns:
        True if all lie in [0, 1] and those of each pixel sum to 1.
    """
    sums = values.sum(axis=-1, dtype=np.float32)
    return bool(
        (values >= 0).all()
        and (values <= 1 + _MOST_DEVIATION).all()
        and (np.abs(sums - 1) <= _MOST_DEVIATION).all()
    )


def log_probabilities(probabilities: np.ndarray) -> npt.NDArray[np.float32]:
    """Logarithms of probabilities, of which none is below 1e-7."""
    floored = np.maximum(probabilities, np.float32(_LEAST_PROBABILITY))
    return np.log(floored, dtype=np.float32)


def _softmax(logits: np.ndarray) -> npt.NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float32)
    return powers / powers.sum(axis=-1, keepdims=True)
