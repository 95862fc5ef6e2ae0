"""What a model says of an image on average over how it may be held."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt


def mean_over_poses(
    predict: Callable[[np.ndarray], np.ndarray], tiles: np.ndarray
) -> npt.NDArray[np.float32]:
    """Means of the maps of tiles over their flips and quarter turns.

    A network says something else of a tile that is turned; where no direction is
    special, as from above, the mean is nearer to the truth (test-time augmentation).
    Tiles that are not square are only flipped.

    Args:
        predict: asked once, of `(poses * batch, height, width, 3)`, for maps of the
            same height and width.
        tiles: `(batch, height, width, 3)`.

    Returns:
        float32 `(batch, height, width, channels)`.
    """
    quarters = range(4) if tiles.shape[1] == tiles.shape[2] else (0, 2)
    poses = [(flip, turns) for flip in (1, -1) for turns in quarters]
    posed = [np.rot90(tiles[:, ::flip], turns, axes=(1, 2)) for flip, turns in poses]
    maps = np.split(np.asarray(predict(np.concatenate(posed))), len(poses))
    back = [
        np.rot90(x, -turns, axes=(1, 2))[:, ::flip]
        for x, (flip, turns) in zip(maps, poses, strict=True)
    ]
    return np.mean(back, axis=0, dtype=np.float32)
