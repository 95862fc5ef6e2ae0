"""Test-time augmentation: predictions averaged over flips and quarter turns."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

AUGMENTATIONS = 8
"""The flips and quarter turns of a square tile."""


def predict_augmented(
    predict: Callable[[np.ndarray], np.ndarray], tiles: np.ndarray
) -> npt.NDArray[np.float32]:
    """Mean prediction over the flips and quarter turns of tiles.

    The prediction of a network changes when its input is turned; where no direction is
    special, as in aerial images, the mean is more accurate. Tiles that are not square
    are only flipped.

    Args:
        predict: called once with `(augmentations * batch, height, width, 3)`; returns
            maps of the same height and width.
        tiles: `(batch, height, width, 3)`.

    Returns:
        float32 `(batch, height, width, channels)`.
    """
    quarters = range(4) if tiles.shape[1] == tiles.shape[2] else (0, 2)
    augmentations = [(flip, turns) for flip in (1, -1) for turns in quarters]
    augmented = [
        np.rot90(tiles[:, ::flip], turns, axes=(1, 2)) for flip, turns in augmentations
    ]
    maps = np.split(np.asarray(predict(np.concatenate(augmented))), len(augmentations))
    restored = [
        np.rot90(x, -turns, axes=(1, 2))[:, ::flip]
        for x, (flip, turns) in zip(maps, augmentations, strict=True)
    ]
    return np.mean(restored, axis=0, dtype=np.float32)
