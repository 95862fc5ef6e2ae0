"""City coordinates of synthetic scenes, and rectangles in them.

A city is laid out on axis-parallel streets in its own coordinates `(u, v)`, in pixels.
A rotation and a bend take them to image coordinates `(x, y)`, so that streets run at
any angle and curve, while a lot stays a plain rectangle for everything that plans.
"""

from dataclasses import dataclass

import numpy as np

from segshrink.data.synthetic.arrays import FloatArray


@dataclass(frozen=True)
class Rectangle:
    """An axis-parallel rectangle in city coordinates, in pixels."""

    u0: float
    v0: float
    u1: float
    v1: float

    @property
    def width_px(self) -> float:
        """Extent along u."""
        return self.u1 - self.u0

    @property
    def height_px(self) -> float:
        """Extent along v."""
        return self.v1 - self.v0

    @property
    def corners(self) -> FloatArray:
        """The four corners in order around the rectangle, `(4, 2)`."""
        return np.array(
            [
                (self.u0, self.v0),
                (self.u1, self.v0),
                (self.u1, self.v1),
                (self.u0, self.v1),
            ]
        )

    @property
    def center(self) -> tuple[float, float]:
        """The middle `(u, v)`."""
        return (self.u0 + self.u1) / 2, (self.v0 + self.v1) / 2

    def inset(self, margin_px: float) -> "Rectangle":
        """The rectangle that is smaller by `margin_px` on every side."""
        return Rectangle(
            self.u0 + margin_px,
            self.v0 + margin_px,
            self.u1 - margin_px,
            self.v1 - margin_px,
        )

    def overlaps(self, other: "Rectangle") -> bool:
        """Whether the two share any area."""
        return (
            self.u0 < other.u1
            and other.u0 < self.u1
            and self.v0 < other.v1
            and other.v0 < self.v1
        )


@dataclass(frozen=True)
class CityFrame:
    """The map between image and city coordinates: a rotation, then a bend along u."""

    size_px: int
    angle: float
    bend_px: float
    bend_wavelength_px: float
    bend_phase: float

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int) -> "CityFrame":
        """A random frame; any angle, from straight streets to clearly curved ones."""
        return cls(
            size_px=size_px,
            angle=rng.uniform(0, np.pi),
            bend_px=rng.uniform(0, 22),
            bend_wavelength_px=rng.uniform(380, 640),
            bend_phase=rng.uniform(0, 2 * np.pi),
        )

    @property
    def reach_px(self) -> float:
        """No pixel has a city coordinate further from 0 than this."""
        return 0.7072 * self.size_px + self.bend_px + 1

    def _bend(self, v: FloatArray) -> FloatArray:
        return self.bend_px * np.sin(
            v * (2 * np.pi / self.bend_wavelength_px) + self.bend_phase
        )

    def pixel_grid(self) -> tuple[FloatArray, FloatArray]:
        """City coordinates `u` and `v` of every pixel, float32 `(size, size)` each."""
        centered = np.arange(self.size_px, dtype=np.float32) - self.size_px / 2
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        x, y = centered[None, :], centered[:, None]
        v = (cos * y - sin * x).astype(np.float32)
        u = (cos * x + sin * y + self._bend(v)).astype(np.float32)
        return u, v

    def to_pixels(self, points: FloatArray) -> FloatArray:
        """Image coordinates `(..., 2)` as (x, y) of city points `(..., 2)`."""
        v = points[..., 1]
        u = points[..., 0] - self._bend(v)
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        rotated = np.stack([cos * u - sin * v, sin * u + cos * v], axis=-1)
        return rotated + self.size_px / 2

    def direction(self, u: float, v: float) -> FloatArray:
        """The image direction `(2,)` of a city direction, the bend left aside."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.array([cos * u - sin * v, sin * u + cos * v])

    def shows(self, point: tuple[float, float], margin_px: float) -> bool:
        """Whether a city point lies in the image, or at most `margin_px` outside."""
        x, y = self.to_pixels(np.array(point))
        low, high = -margin_px, self.size_px + margin_px
        return low <= x <= high and low <= y <= high
