"""Tree crowns of synthetic scenes: round, lit from one side, and rough."""

import numpy as np
from PIL import Image, ImageDraw

from segshrink.data.synthetic.arrays import BoolArray, FloatArray
from segshrink.data.synthetic.objects import ObjectLayer

_SPACING_PX = 8.0


def choose_trees(rng: np.random.Generator, density: FloatArray) -> FloatArray:
    """Draw tree positions on a jittered lattice.

    Args:
        rng: source of all chance.
        density: float `(size, size)` in [0, 1], the share of lattice points to keep.

    Returns:
        float `(trees, 3)` of centre x, centre y and radius, in pixels.
    """
    size_px = density.shape[0]
    ticks = np.arange(0, size_px, _SPACING_PX)
    points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    points = points + rng.uniform(0, _SPACING_PX, points.shape)
    points = points[(points < size_px).all(axis=1)]
    x, y = points.astype(int).T
    kept = points[rng.random(len(points)) < density[y, x]]
    return np.column_stack([kept, rng.uniform(3.2, 6.2, len(kept))])


def plant_trees(
    rng: np.random.Generator,
    trees: FloatArray,
    layer: ObjectLayer,
    image: FloatArray,
    crown_color: FloatArray,
) -> BoolArray:
    """Paint crowns over `image` in place and cast their shadows.

    Args:
        rng: source of the crowns' shades.
        trees: float `(trees, 3)` as from `choose_trees`.
        layer: receives the shadows.
        image: float32 `(size, size, 3)`, 0-255.
        crown_color: `(3,)`, 0-255.

    Returns:
        Bool `(size, size)`: the pixels under a crown.
    """
    layer.cast_round_shadows(trees)
    crowns = Image.new("I", (image.shape[1], image.shape[0]))
    draw = ImageDraw.Draw(crowns)
    for number, (x, y, radius) in enumerate(trees.tolist(), start=1):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=number)
    numbers = np.asarray(crowns)
    rows, columns = np.nonzero(numbers)
    tree = numbers[rows, columns] - 1
    x, y, radius = trees[tree].T.astype(np.float32)
    across, down = (columns - x) / radius, (rows - y) / radius
    lit = across * layer.light[0] + down * layer.light[1]
    leaves = rng.normal(0, 0.10, len(tree)) + 0.08
    shade = rng.uniform(0.88, 1.12, len(trees))[tree]
    tone = shade * (1 + 0.34 * lit - 0.18 * (across**2 + down**2) + leaves)
    image[rows, columns] = crown_color * tone[:, None]
    return numbers > 0
