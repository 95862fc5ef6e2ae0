"""A near-infrared band of a scene: plants reflect it, water swallows it."""

import numpy as np
import numpy.typing as npt

from segshrink.data.synthetic.arrays import FloatArray

# Grey levels of Building, Land, Road, Vegetation, Water and Unlabeled in full light.
_LEVELS = np.array([104, 124, 78, 206, 16, 112], np.float32)
_MIDDLE = 128.0
_NOISE = 4


def near_infrared(
    rng: np.random.Generator, image: FloatArray, labels: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """The band that follows red, green and blue.

    Half of a pixel's level is that of its class, half goes with its brightness, which
    holds textures and shadows.

    Args:
        rng: source of the noise.
        image: float32 `(size, size, 3)`, 0-255, before it is photographed.
        labels: uint8 `(size, size)`.

    Returns:
        uint8 `(size, size)`.
    """
    brightness = np.clip(image.mean(axis=-1) / _MIDDLE, 0, 2)
    levels = _LEVELS[labels] * (0.5 + 0.5 * brightness)
    levels += rng.integers(-_NOISE, _NOISE + 1, labels.shape)
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)
