"""Noise, colours and the look of ground surfaces in synthetic scenes.

Colours overlap between classes on purpose: asphalt, soil and roofs share their greys
and browns, water and vegetation their dull greens. What tells them apart is texture,
shape and surroundings, which is what a segmentation network has to learn.
"""

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from PIL import Image

from segshrink.data.synthetic.arrays import FloatArray, IntArray

Color = tuple[int, int, int]


class Surface(IntEnum):
    """The materials of the ground."""

    SOIL = 0
    SHORE = 1
    LAWN = 2
    WATER = 3
    ASPHALT = 4
    KERB = 5
    MARKING = 6


# How strongly each surface takes up (broad, medium, fine, grain) noise.
_ROUGHNESS = {
    Surface.SOIL: (0.05, 0.06, 0.08, 0.08),
    Surface.SHORE: (0.02, 0.03, 0.04, 0.06),
    Surface.LAWN: (0.05, 0.05, 0.04, 0.02),
    Surface.WATER: (0.05, 0.01, 0.0, 0.0),
    Surface.ASPHALT: (0.03, 0.015, 0.01, 0.01),
    Surface.KERB: (0.0, 0.0, 0.02, 0.03),
    Surface.MARKING: (0.0, 0.0, 0.02, 0.05),
}

_SOILS: tuple[Color, ...] = (
    (190, 174, 148),
    (168, 148, 122),
    (152, 142, 128),
    (178, 168, 152),
    (160, 152, 126),
)
_ASPHALTS: tuple[Color, ...] = (
    (98, 98, 100),
    (122, 119, 114),
    (140, 134, 126),
    (112, 102, 94),
)
_LAWNS: tuple[Color, ...] = (
    (112, 126, 80),
    (128, 132, 90),
    (98, 112, 80),
    (136, 134, 98),
)
_CROWNS: tuple[Color, ...] = (
    (74, 92, 64),
    (84, 94, 74),
    (98, 98, 70),
    (68, 88, 78),
)
_WATERS: tuple[Color, ...] = (
    (80, 104, 92),
    (84, 106, 114),
    (104, 110, 96),
    (66, 86, 84),
    (112, 124, 116),
)
_ROOFS: tuple[Color, ...] = (
    (96, 98, 106),
    (132, 134, 138),
    (180, 130, 92),
    (162, 98, 76),
    (150, 84, 68),
    (122, 84, 72),
    (208, 204, 198),
    (100, 112, 118),
)


@dataclass(frozen=True)
class Palette:
    """The colours of one scene, float `(..., 3)` in 0-255 before light and haze."""

    ground: FloatArray  # (surfaces, 3)
    roofs: FloatArray  # (roof colours, 3)
    crown: FloatArray  # (3,)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Palette":
        """A random palette; each colour is one of its class's, moved a little."""
        soil, asphalt = _vary(rng, _SOILS), _vary(rng, _ASPHALTS)
        ground = np.empty((len(Surface), 3))
        ground[Surface.SOIL] = soil
        ground[Surface.SHORE] = 0.5 * soil + 0.5 * np.array([206, 198, 180])
        ground[Surface.LAWN] = _vary(rng, _LAWNS)
        ground[Surface.WATER] = _vary(rng, _WATERS)
        ground[Surface.ASPHALT] = asphalt
        ground[Surface.KERB] = 0.4 * asphalt + 0.6 * np.array([200, 198, 192])
        ground[Surface.MARKING] = (226, 224, 216)
        # Some roofs are as grey as the scene's streets: no colour is a roof's own.
        roofs = np.array([*_ROOFS, asphalt], dtype=float)
        return cls(ground, roofs, _vary(rng, _CROWNS))


def _vary(rng: np.random.Generator, choices: tuple[Color, ...]) -> FloatArray:
    chosen = np.array(choices[rng.integers(len(choices))], dtype=float)
    return chosen * rng.uniform(0.92, 1.08) + rng.normal(0, 2.5, 3)


def smooth_noise(rng: np.random.Generator, size_px: int, scale_px: float) -> FloatArray:
    """Random field that varies over about `scale_px`, of variance near 1.

    Returns:
        float32 `(size, size)`.
    """
    span = size_px / scale_px
    coarse_size = math.ceil(span) + 3
    coarse = rng.standard_normal((coarse_size, coarse_size), dtype=np.float32)
    # One cell of border on each side keeps the resampling clear of the edges.
    box = (1.0, 1.0, 1.0 + span, 1.0 + span)
    resized = Image.fromarray(coarse).resize(
        (size_px, size_px), Image.Resampling.BICUBIC, box=box
    )
    return np.asarray(resized) * np.float32(1.4)


def paint_ground(
    rng: np.random.Generator, surfaces: IntArray, palette: Palette
) -> FloatArray:
    """Colour a map of surfaces and give each its roughness.

    Args:
        rng: source of the noise.
        surfaces: uint8 `(size, size)`, values of `Surface`.
        palette: the colours of the scene.

    Returns:
        float32 `(size, size, 3)`, 0-255, not clipped.
    """
    size_px = surfaces.shape[0]
    weights = np.array([_ROUGHNESS[surface] for surface in Surface], np.float32)
    fields = [smooth_noise(rng, size_px, scale_px) for scale_px in (48, 11, 3.5)]
    fields.append(rng.random((size_px, size_px), dtype=np.float32) * 3.4 - 1.7)
    tone = np.ones((size_px, size_px), np.float32)
    for field, weight in zip(fields, weights.T, strict=True):
        tone += weight[surfaces] * field
    return palette.ground.astype(np.float32)[surfaces] * tone[..., None]
