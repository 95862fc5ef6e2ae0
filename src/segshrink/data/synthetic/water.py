"""Rivers and lakes of synthetic scenes, as a field of distances to the shore."""

import numpy as np

from segshrink.data.synthetic.arrays import FloatArray
from segshrink.data.synthetic.textures import smooth_noise


def draw_shore_distance(rng: np.random.Generator, size_px: int) -> FloatArray:
    """Approximate distance to the nearest shore, negative in water.

    A scene has a river, lakes, or both; the larger the scene, the more lakes.

    Returns:
        float32 `(size, size)`, in pixels.
    """
    wobble = 14 * smooth_noise(rng, size_px, 70) + 4 * smooth_noise(rng, size_px, 22)
    has_river = rng.random() < 0.5
    lakes = round((size_px / 400) ** 2) + (0 if has_river else 1)
    distance = np.full((size_px, size_px), size_px, dtype=np.float32)
    if has_river:
        distance = _river_distance(rng, size_px)
    for _ in range(lakes):
        _dig_lake(rng, distance)
    return distance + wobble


def _river_distance(rng: np.random.Generator, size_px: int) -> FloatArray:
    """Distance to the bank of a meandering river through the middle of the scene."""
    angle, half_width_px = rng.uniform(0, np.pi), rng.uniform(17, 23)
    centered = np.arange(size_px, dtype=np.float32) - size_px / 2
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along = cos * centered[None, :] + sin * centered[:, None]
    across = cos * centered[:, None] - sin * centered[None, :]
    meander = 28 * np.sin(along / rng.uniform(50, 80) + rng.uniform(0, 2 * np.pi))
    shift = rng.uniform(-0.25, 0.25) * size_px
    return (np.abs(across + meander - shift) - half_width_px).astype(np.float32)


def _dig_lake(rng: np.random.Generator, distance: FloatArray) -> None:
    """Lower `distance` in place to that of one more lake."""
    size_px = distance.shape[0]
    center_x, center_y = rng.uniform(0.15, 0.85, 2) * size_px
    radius_px, stretch = rng.uniform(42, 62), rng.uniform(0.7, 1.4)
    # Far from its shore a lake changes nothing: large scenes stay fast.
    reach = int(3 * radius_px)
    x0, y0 = (max(0, int(center) - reach) for center in (center_x, center_y))
    window = distance[y0 : int(center_y) + reach, x0 : int(center_x) + reach]
    x = np.arange(window.shape[1], dtype=np.float32)[None, :] + x0 - center_x
    y = np.arange(window.shape[0], dtype=np.float32)[:, None] + y0 - center_y
    radial = np.sqrt((x * stretch) ** 2 + (y / stretch) ** 2) - radius_px
    np.minimum(window, radial.astype(np.float32), out=window)
