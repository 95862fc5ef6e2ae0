"""Objects on the ground of a synthetic scene: roofs, sites, cars and trees.

Everything is drawn as flat faces into one image of face numbers; tables give each face
its class, colour and stripes. Shading the whole scene is then a few table look-ups,
however many faces there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from segshrink.data.synthetic.arrays import BoolArray, FloatArray, IntArray
from segshrink.data.synthetic.geometry import CityFrame

_SLOPE_CONTRAST = 0.3
_LINE_SHARE = 0.4


@dataclass(frozen=True)
class Stripes:
    """Tiles, seams or hatching: lines `period_px` apart, darker by `depth` (0-1).

    A line is where `along_u * u + along_v * v` is near a multiple of the period.
    """

    along_u: float = 0.0
    along_v: float = 0.0
    period_px: float = 4.0
    depth: float = 0.0


_PLAIN = Stripes()


@dataclass
class ObjectLayer:
    """Faces of objects over the ground, and the shadows that they cast.

    Everything is recorded first and drawn by `paint` and `shadow`.

    Attributes:
        frame: from city to image coordinates.
        light: the image direction `(x, y)` towards the sun, of length 1.
    """

    frame: CityFrame
    light: FloatArray
    _faces: list[FloatArray] = field(default_factory=list)
    _classes: list[int] = field(default_factory=list)
    _colors: list[FloatArray] = field(default_factory=list)
    _stripes: list[Stripes] = field(default_factory=list)
    _casters: list[FloatArray] = field(default_factory=list)
    _heights_px: list[float] = field(default_factory=list)
    _round_casters: list[FloatArray] = field(default_factory=list)

    def add_face(
        self,
        corners: FloatArray,
        color: FloatArray,
        class_index: int,
        stripes: Stripes = _PLAIN,
    ) -> None:
        """Put a polygon over what is there.

        Args:
            corners: city points `(n, 2)` around the face.
            color: `(3,)`, 0-255.
            class_index: class of the pixels.
            stripes: texture of the face.
        """
        self._faces.append(corners)
        self._classes.append(class_index)
        self._colors.append(color)
        self._stripes.append(stripes)

    def cast_shadow(self, footprint: FloatArray, height_px: float) -> None:
        """Darken the ground over which the sun moves city polygon `footprint`.

        Args:
            footprint: city points `(n, 2)`.
            height_px: how far the shadow reaches, in pixels.
        """
        self._casters.append(footprint)
        self._heights_px.append(height_px)

    def cast_round_shadows(self, circles: FloatArray) -> None:
        """Darken the ground beside trees, `(n, 3)` of image x, image y and radius."""
        shift = self.light * circles[:, 2:]
        self._round_casters.append(circles - np.pad(shift, ((0, 0), (0, 1))))

    @property
    def away_from_light(self) -> FloatArray:
        """The city direction `(2,)` in which shadows fall, of length 1."""
        u, v = self.frame.direction(1, 0), self.frame.direction(0, 1)
        return -np.array([u @ self.light, v @ self.light])

    def slope_tone(self, u: float, v: float) -> float:
        """Brightness of a roof face that slopes down towards a city direction."""
        return 1 + _SLOPE_CONTRAST * float(self.frame.direction(u, v) @ self.light)

    def shadow(self) -> BoolArray:
        """Mask of shadows, without objects: bool `(size, size)`."""
        image = Image.new("L", (self.frame.size_px, self.frame.size_px))
        draw = ImageDraw.Draw(image)
        footprints = self._in_pixels(self._casters)
        for corners, height_px in zip(footprints, self._heights_px, strict=True):
            for outline in _swept(corners, -self.light * height_px):
                draw.polygon(outline.ravel().tolist(), fill=1)
        for circles in self._round_casters:
            for x, y, radius in circles.tolist():
                box = (x - radius, y - radius, x + radius, y + radius)
                draw.ellipse(box, fill=1)
        return np.asarray(image) > 0

    def paint(
        self,
        image: FloatArray,
        labels: IntArray,
        grid: tuple[FloatArray, FloatArray],
    ) -> None:
        """Paint all faces over `image` and `labels`, in place.

        Args:
            image: float32 `(size, size, 3)`, 0-255.
            labels: uint8 `(size, size)`.
            grid: city coordinates `(u, v)` of every pixel.
        """
        numbers = self._draw_numbers()
        painted = numbers > 0
        face = numbers[painted] - 1
        tone = self._stripe_tone(face, grid[0][painted], grid[1][painted])
        image[painted] = _table(self._colors, width=3)[face] * tone[:, None]
        labels[painted] = np.array(self._classes, np.uint8)[face]

    def _draw_numbers(self) -> IntArray:
        """The number of the uppermost face of every pixel, from 1; 0 where none is."""
        image = Image.new("I", (self.frame.size_px, self.frame.size_px))
        draw = ImageDraw.Draw(image)
        for number, corners in enumerate(self._in_pixels(self._faces), start=1):
            draw.polygon(corners.ravel().tolist(), fill=number)
        return np.asarray(image)

    def _stripe_tone(self, face: IntArray, u: FloatArray, v: FloatArray) -> FloatArray:
        rows = [
            (s.along_u / s.period_px, s.along_v / s.period_px, s.depth)
            for s in self._stripes
        ]
        along_u, along_v, depth = _table(rows, width=3)[face].T
        phase = along_u * u + along_v * v
        is_line = phase - np.floor(phase) < _LINE_SHARE
        return 1 - depth * is_line

    def _in_pixels(self, polygons: list[FloatArray]) -> list[FloatArray]:
        """Image coordinates of city polygons, in one step for all of them."""
        if not polygons:
            return []
        ends = np.cumsum([len(polygon) for polygon in polygons])
        points = self.frame.to_pixels(np.concatenate(polygons))
        return np.split(points, ends[:-1])


def _swept(corners: FloatArray, shift: FloatArray) -> list[FloatArray]:
    """Polygons that cover what `corners`, `(n, 2)`, passes over when it moves."""
    moved = corners + shift
    sides = [
        np.array([corners[i - 1], corners[i], moved[i], moved[i - 1]])
        for i in range(len(corners))
    ]
    return [*sides, moved]


def _table(rows: Sequence[FloatArray | tuple[float, ...]], width: int) -> FloatArray:
    return np.array(rows, np.float32).reshape(-1, width)
