"""Quality of a model in memory on a part of the data, for choosing the best epoch.

Reports never use these numbers: theirs are measured on the exported files.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from segshrink.data import IGNORE_INDEX, Part, iter_tiles
from segshrink.errors import DatasetError
from segshrink.metrics import ConfusionMatrix
from segshrink.objectives import WeightedSum

# On processors, comparing one class after the other takes a sixth of the time of argmax
# with 6 classes, and as much with 20.
_MOST_COMPARED = 20


@dataclass(frozen=True)
class Validation:
    """Quality of a model on a part of the data.

    Attributes:
        confusion: over all pixels that have a class.
        loss: mean loss on the labels, see `Validator`; None without a loss.
    """

    confusion: ConfusionMatrix
    loss: float | None


class Validator:
    """Measures a model on the labels of a part of the data, each time it is called.

    The loss of a part does not depend on how tiles fall into batches: it is computed
    tile by tile, and the mean weights each tile by its pixels that have a class, each
    pixel by its class weight if the loss has those. For a loss that is a mean over
    pixels, such as cross-entropy, that is the mean over all pixels of the part, as if
    it were one batch. A loss over regions, such as Dice, is computed per tile, and in
    training per batch, so that the two rank models alike but differ in value. The terms
    of a `WeightedSum` are averaged separately.

    Args:
        model: images `(batch, tile_px, tile_px, 3)` to logits
            `(batch, tile_px, tile_px, num_classes)`.
        part: images to validate on; each is cut into a grid of tiles.
        num_classes: number of classes.
        tile_px: height and width of a tile in pixels.
        batch_size: tiles per step; the last step is filled up, since a batch of another
            size would make the backend compile the model again.
        loss: of labels and logits, a mean over valid pixels; None computes none.
    """

    def __init__(
        self,
        model: keras.Model,
        part: Part,
        *,
        num_classes: int,
        tile_px: int,
        batch_size: int,
        loss: keras.losses.Loss | None = None,
    ) -> None:
        self.loss = loss
        self._part = part
        self._num_classes = num_classes
        self._tile_px = tile_px
        self._batch_size = batch_size
        self._terms = _terms(loss)
        # It is kept over all epochs, since each new one would be compiled again.
        losses = [term for term, _ in self._terms]
        self._judge = _Judge(model, losses, batch_size, num_classes)

    def __call__(self) -> Validation:
        """Validate the model as it is now on every tile.

        Raises:
            DatasetError: if no pixel of the part has a class.
        """
        confusion = ConfusionMatrix(self._num_classes)
        mean = _MeanOfTiles(self._terms, self._num_classes)
        batches = iter_tiles(
            self._part, tile_px=self._tile_px, batch_size=self._batch_size
        )
        for images, labels in _read_ahead(batches):
            counts, losses = self._judged(images, labels)
            confusion.counts += counts.sum(axis=0)
            mean.update(counts.sum(axis=-1), losses)
        if not confusion.counts.any():
            raise DatasetError(
                f"The {self._part.name} part ({', '.join(self._part.scenes)}) has no "
                "pixel with a class, so the best epoch cannot be chosen. Use another "
                "split."
            )
        return Validation(confusion, None if self.loss is None else mean.result())

    def _judged(
        self, images: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Counts `(tiles, classes, classes)` and losses `(tiles, terms)` of tiles.

        Counts are of pixels by true, then by predicted class.
        """
        count = len(images)
        added = (0, self._batch_size - count)
        images = np.pad(images, (added, (0, 0), (0, 0), (0, 0)))
        labels = np.pad(labels, (added, (0, 0), (0, 0)), constant_values=IGNORE_INDEX)
        outputs = self._judge.predict_on_batch({"images": images, "labels": labels})
        return outputs["counts"][:count], outputs["losses"][:count]


class _Judge(keras.Model):
    """From images and labels to counts and losses per tile, in one compiled step.

    Logits stay on the device.
    """

    def __init__(
        self,
        judged: keras.Model,
        terms: Sequence[keras.losses.Loss],
        batch_size: int,
        num_classes: int,
    ) -> None:
        super().__init__(name="judge")
        self.judged = judged
        self._terms = tuple(terms)
        self._batch_size = batch_size
        self._num_classes = num_classes
        self.built = True
        if keras.backend.backend() == "tensorflow":
            # As in training: compiling with XLA takes too long for short runs.
            self.jit_compile = False

    def call(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        images, labels = inputs["images"], inputs["labels"]
        logits = self.judged(images, training=False)
        return {
            "counts": self._counts_of(labels, logits),
            "losses": self._losses_of(labels, logits),
        }

    def _counts_of(self, labels: Any, logits: Any) -> Any:
        """Pixels by tile, true and predicted class; void is counted, but left out."""
        classes, batch = self._num_classes, self._batch_size
        rows = ops.minimum(ops.cast(labels, "int32"), classes)
        tile = ops.reshape(ops.arange(batch, dtype="int32"), (-1, 1, 1))
        cells = (tile * (classes + 1) + rows) * classes + _predicted(logits)
        cells = ops.reshape(cells, (-1,))
        shape = (batch, classes + 1, classes)
        counts = ops.segment_sum(ops.ones_like(cells), cells, math.prod(shape))
        return ops.reshape(counts, shape)[:, :classes]

    def _losses_of(self, labels: Any, logits: Any) -> Any:
        if not self._terms:
            return ops.zeros((self._batch_size, 0))
        if keras.backend.backend() == "jax":
            # XLA compiles 64 tiles one by one for 28 seconds, and these for one.
            return ops.vectorized_map(self._losses_of_tile, (labels, logits))
        # This takes two thirds of the time of `ops.map`.
        tiles = [(labels[i], logits[i]) for i in range(self._batch_size)]
        return ops.stack([self._losses_of_tile(tile) for tile in tiles])

    def _losses_of_tile(self, tile: tuple[Any, Any]) -> Any:
        labels, logits = tile
        losses = [term(labels[None], logits[None]) for term in self._terms]
        return ops.stack([ops.cast(loss, "float32") for loss in losses])


def _predicted(logits: Any) -> Any:
    """Class of the greatest logit of each pixel, int32, the first of equal ones."""
    if logits.shape[-1] > _MOST_COMPARED:
        return ops.cast(ops.argmax(logits, axis=-1), "int32")
    best, *others = ops.unstack(logits, axis=-1)
    predicted = ops.zeros_like(best, dtype="int32")
    for index, other in enumerate(others, start=1):
        predicted = ops.where(other > best, index, predicted)
        best = ops.maximum(best, other)
    return predicted


class _MeanOfTiles:
    """Weighted sum of the means of all terms over tiles; see `Validator`."""

    def __init__(
        self, terms: Sequence[tuple[keras.losses.Loss, float]], num_classes: int
    ) -> None:
        self._factors = np.array([factor for _, factor in terms])
        self._class_weights = np.ones((len(terms), num_classes))
        for row, (term, _) in zip(self._class_weights, terms, strict=True):
            weights = getattr(term, "class_weights", None)
            if weights is not None:
                row[:] = weights
        self._sums = np.zeros(len(terms))
        self._weights = np.zeros(len(terms))

    def update(self, pixels: np.ndarray, losses: np.ndarray) -> None:
        """Add losses `(tiles, terms)` of tiles with `pixels` `(tiles, classes)`."""
        weights = pixels @ self._class_weights.T  # (tiles, terms)
        self._sums += (weights * losses).sum(axis=0)
        self._weights += weights.sum(axis=0)

    def result(self) -> float:
        # As in the losses themselves, the mean over no pixels is 0.
        means = self._sums / np.where(self._weights > 0, self._weights, 1.0)
        return float(self._factors @ means)


def _read_ahead(
    batches: Iterator[tuple[np.ndarray, np.ndarray]],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the batches, each read while the model computes the one before."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        future = reader.submit(next, batches, None)
        while (batch := future.result()) is not None:
            future = reader.submit(next, batches, None)
            yield batch


def _terms(loss: keras.losses.Loss | None) -> list[tuple[keras.losses.Loss, float]]:
    """Terms of a sum of losses, each with its factor."""
    if loss is None:
        return []
    if isinstance(loss, WeightedSum):
        return list(zip(loss.losses, loss.weights, strict=True))
    return [(loss, 1.0)]
