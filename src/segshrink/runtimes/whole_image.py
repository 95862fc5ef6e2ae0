"""Predicts an image of any size with an artifact of fixed size."""

import numpy as np

from segshrink.data import map_by_tiles
from segshrink.errors import UsageError
from segshrink.runtimes.artifact import Artifact


def predict_image(
    artifact: Artifact, image: np.ndarray, overlap: float = 0.25
) -> np.ndarray:
    """Logits of every pixel of an image larger or smaller than the artifact's tiles.

    See `segshrink.data.map_by_tiles` for how tiles of `artifact.input_shape` are laid
    and blended.

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
    return map_by_tiles(
        artifact.predict,
        image,
        tile_px=artifact.input_shape,
        channels=artifact.num_classes,
        overlap=overlap,
    )
