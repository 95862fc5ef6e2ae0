"""The schedule of an epoch: the image that each training tile is cut from."""

import numpy as np
import numpy.typing as npt


def tiles_per_image(
    areas: npt.NDArray[np.int64], tiles: int, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Number of tiles of an epoch that are cut from each image.

    Numbers are proportional to area, and at least one if there are as many tiles as
    images. Systematic sampling rounds fractions, so that they are exact on average
    over epochs.

    Args:
        areas: pixels of each image, `(images,)`, at least 1.
        tiles: tiles in the epoch, at least 1.
        generator: the only source of randomness.

    Returns:
        int64 array `(images,)` that sums to `tiles`.
    """
    expected = areas * (tiles / areas.sum())
    if tiles < len(areas):
        return _systematic_sample(expected, tiles, generator)
    above_one = np.maximum(expected - 1, 0)
    return 1 + _systematic_sample(above_one, tiles - len(areas), generator)


def _systematic_sample(
    weights: npt.NDArray[np.float64], total: int, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Integers in proportion to `weights`, each randomly rounded up or down."""
    if total == 0:
        return np.zeros(len(weights), np.int64)
    bounds = np.cumsum(weights) * (total / weights.sum())
    bounds[-1] = total  # exact, so that the numbers add up
    ticks = np.floor(bounds + generator.random()).astype(np.int64)
    return np.diff(ticks, prepend=0)


def plan_epoch(
    areas: npt.NDArray[np.int64],
    tiles: int,
    *,
    pixels_at_once: int,
    generator: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """The image of each tile of an epoch, in the order of training.

    Images in random order are grouped so that a group fits into memory; tiles are
    shuffled within their group. If all images fit, that is a full shuffle.

    Args:
        areas: pixels of each image, `(images,)`.
        tiles: tiles in the epoch, at least 1.
        pixels_at_once: pixels of decoded images that memory holds.
        generator: the only source of randomness.

    Returns:
        int64 array `(tiles,)` of positions in `areas`.
    """
    counts = tiles_per_image(areas, tiles, generator)
    order = generator.permutation(np.flatnonzero(counts))
    groups = _groups(areas[order], pixels_at_once)
    plan = []
    for group in np.unique(groups):
        members = order[groups == group]
        plan.append(generator.permutation(np.repeat(members, counts[members])))
    return np.concatenate(plan)


def _groups(areas: npt.NDArray[np.int64], limit: int) -> npt.NDArray[np.int64]:
    """Group number of each image: a group ends where the next would exceed `limit`."""
    groups = np.zeros(len(areas), np.int64)
    group, filled = 0, 0
    for position, area in enumerate(areas):
        if filled and filled + area > limit:
            group, filled = group + 1, 0
        filled += area
        groups[position] = group
    return groups
