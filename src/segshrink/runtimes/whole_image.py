"""Predicts an image of any size with an artifact of fixed size."""

import numpy as np
import numpy.typing as npt

from segshrink.data import SlidingWindow, map_by_tiles, stream_by_tiles
from segshrink.errors import UsageError
from segshrink.runtimes.artifact import Artifact

# Wide images are predicted in swaths of this width, so that memory does not grow with
# them. Tiles on the border of two swaths are predicted twice, one column in eleven.
SWATH_PX = 2048

# Rows whose classes are searched at once: as many as fit the processor's cache.
_ROWS = 8


def predict_image(
    artifact: Artifact, image: np.ndarray, overlap: float = 0.25
) -> np.ndarray:
    """Logits of every pixel of an image larger or smaller than the artifact's tiles.

    `segshrink.data.map_by_tiles` describes how tiles of `artifact.input_shape` are
    placed and blended.

    Args:
        artifact: an opened model file.
        image: 0-255, uint8 or float, `(height, width, artifact.num_bands)`.
        overlap: in [0, 0.9], share of a tile's side that at least overlaps with the
            next tile; the number of tiles grows with `1 / (1 - overlap)**2`.

    Returns:
        float32 logits `(height, width, classes)`.

    Raises:
        UsageError: if `image` has other bands or `overlap` is out of range.
    """
    image = _checked(artifact, image, overlap)
    return map_by_tiles(
        artifact.predict,
        image,
        tile_px=artifact.input_shape,
        channels=artifact.num_classes,
        overlap=overlap,
    )


def classes_of_image(
    artifact: Artifact,
    image: np.ndarray,
    overlap: float = 0.25,
    *,
    confidence: np.ndarray | None = None,
) -> npt.NDArray[np.uint8]:
    """The most likely class of every pixel, without holding the logits in memory.

    The classes are those of `predict_image`.

    Args:
        artifact: as for `predict_image`.
        image: as for `predict_image`.
        overlap: as for `predict_image`.
        confidence: uint8 `(height, width)` to write `confidence_of` each pixel into.

    Returns:
        uint8 class indices `(height, width)`.

    Raises:
        UsageError: as `predict_image`.
    """
    image = _checked(artifact, image, overlap)
    classes = np.empty(image.shape[:2], np.uint8)

    def emit(row: int, column: int, logits: np.ndarray) -> None:
        height, width, _ = logits.shape
        here = slice(row, row + height), slice(column, column + width)
        classes[here] = likeliest_classes(logits)
        if confidence is not None:
            confidence[here] = confidence_of(logits)

    stream_by_tiles(
        artifact.predict,
        lambda rows, columns: image[rows, columns],
        emit,
        SlidingWindow(
            size_px=(image.shape[0], image.shape[1]),
            tile_px=artifact.input_shape,
            overlap=overlap,
            swath_px=SWATH_PX,
        ),
        channels=artifact.num_classes,
    )
    return classes


def likeliest_classes(logits: np.ndarray) -> npt.NDArray[np.uint8]:
    """The class of the highest logit of each pixel, the first of equal ones.

    The result is that of `argmax` over the last axis, which is slow over a short axis.

    Args:
        logits: float `(height, width, classes)`.

    Returns:
        uint8 `(height, width)`.
    """
    height, width, num_classes = logits.shape
    classes = np.zeros((height, width), np.uint8)
    for start in range(0, height, _ROWS):
        rows = slice(start, start + _ROWS)
        highest, best = logits[rows, :, 0].copy(), classes[rows]
        for index in range(1, num_classes):
            plane = np.ascontiguousarray(logits[rows, :, index])
            is_higher = plane > highest
            np.maximum(highest, plane, out=highest)
            # The index grows, so that the last class to win is the highest so far.
            np.maximum(best, is_higher * np.uint8(index), out=best)
    return classes


def confidence_of(logits: np.ndarray) -> npt.NDArray[np.uint8]:
    """The largest probability of each pixel, from 1 to 255, which is a certain class.

    Args:
        logits: float `(height, width, classes)`.

    Returns:
        uint8 `(height, width)`.
    """
    height, width, _ = logits.shape
    levels = np.empty((height, width), np.uint8)
    for start in range(0, height, _ROWS):
        rows = slice(start, start + _ROWS)
        odds = np.exp(logits[rows] - logits[rows].max(axis=-1, keepdims=True))
        levels[rows] = np.rint(255 / odds.sum(axis=-1))
    return levels


def _checked(artifact: Artifact, image: np.ndarray, overlap: float) -> np.ndarray:
    image = np.asarray(image)
    bands = artifact.num_bands
    if image.ndim != 3 or image.shape[2] != bands or 0 in image.shape:
        raise UsageError(f"image must be (height, width, {bands}), got {image.shape}.")
    if not 0 <= overlap <= 0.9:
        raise UsageError(f"overlap must be 0 to 0.9, got {overlap}.")
    return image
