"""Shapes that masks are drawn from."""

import io
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from segshrink.data.drawn import DrawnMask
from segshrink.data.outlines import Points, fill
from segshrink.data.run_lengths import coco_mask, decode_brush
from segshrink.errors import DatasetError

Codes = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Shape(ABC):
    """An area of one code. Numbers are held as bytes: small, and quick to pickle.

    Attributes:
        code: the code of its pixels.
    """

    code: int

    @abstractmethod
    def paint(self, codes: Codes) -> None:
        """Give the code to the area's pixels of a mask, in place.

        Raises:
            ValueError: if the area is damaged.
        """


@dataclass(frozen=True, slots=True)
class Outline(Shape):
    """A polygon: pixels whose centres lie inside (`outlines.fill`).

    Attributes:
        rings: float64 x and y of the corners, one array a ring.
    """

    rings: tuple[bytes, ...]

    @classmethod
    def of(cls, code: int, *rings: Points) -> "Outline":
        """The outline of rings `(n, 2)`."""
        return cls(code, tuple(np.ascontiguousarray(ring).tobytes() for ring in rings))

    def paint(self, codes: Codes) -> None:
        """Fill it."""
        fill(codes, [_points(ring) for ring in self.rings], self.code)


@dataclass(frozen=True, slots=True)
class ColumnRuns(Shape):
    """Runs down the columns, as COCO has them.

    Attributes:
        counts: uint32 lengths of runs, outside and inside in turn.
    """

    counts: bytes

    def paint(self, codes: Codes) -> None:
        """Decode the runs."""
        codes[coco_mask(np.frombuffer(self.counts, np.uint32), *codes.shape)] = (
            self.code
        )


@dataclass(frozen=True, slots=True)
class BrushRuns(Shape):
    """Label Studio's packed runs of red, green, blue and alpha.

    A pixel is inside if its alpha is not 0, as in Label Studio's export to COCO.

    Attributes:
        packed: the bytes of the export.
    """

    packed: bytes

    def paint(self, codes: Codes) -> None:
        """Decode the runs."""
        codes[decode_brush(self.packed).reshape(*codes.shape, 4)[..., 3] > 0] = (
            self.code
        )


@dataclass(frozen=True, slots=True)
class Drawing(Shape):
    """A shape as LabelMe's own export draws it, with Pillow.

    Attributes:
        kind: LabelMe's name of it, one of `Drawing.KINDS`.
        points: float64 x and y of its points.
    """

    kind: str
    points: bytes

    KINDS: ClassVar[dict[str, tuple[int, int | None]]] = {
        "polygon": (3, None),
        "rectangle": (2, 2),
        "oriented_rectangle": (4, 4),
        "circle": (2, 2),
        "line": (2, 2),
        "linestrip": (2, None),
        "point": (1, 1),
    }

    @property
    def corners(self) -> Points:
        """Its points, `(n, 2)`."""
        return _points(self.points)

    def paint(self, codes: Codes) -> None:
        """Draw it."""
        image = Image.new("1", codes.shape[::-1])
        draw_as_labelme(ImageDraw.Draw(image), self.kind, self.corners)
        codes[np.asarray(image)] = self.code


_LINE_PX = 10
_POINT_RADIUS_PX = 5


def draw_as_labelme(draw: ImageDraw.ImageDraw, kind: str, points: Points) -> None:
    """Draw a shape: with its border; lines are 10 pixels wide."""
    corners: Sequence[tuple[float, float]] = [(x, y) for x, y in points.tolist()]
    if kind in ("line", "linestrip"):
        draw.line(corners, fill=1, width=_LINE_PX)
    elif kind == "rectangle":
        low, high = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        draw.rectangle((*low, *high), outline=1, fill=1)
    elif kind in ("circle", "point"):
        x, y = corners[0]
        radius = math.dist(*corners) if kind == "circle" else _POINT_RADIUS_PX
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, outline=1, fill=1)
    else:
        draw.polygon(corners, outline=1, fill=1)


@dataclass(frozen=True, slots=True)
class Stamp(Shape):
    """A small mask at a place, as LabelMe has them.

    Attributes:
        left: column of its first pixel.
        top: row of its first pixel.
        png: the mask's file; what is not 0 is inside.
    """

    left: int
    top: int
    png: bytes

    def paint(self, codes: Codes) -> None:
        """Decode the mask."""
        try:
            with Image.open(io.BytesIO(self.png)) as image:
                inside = np.asarray(image.convert("L")) > 0
        except Exception as error:
            # Pillow raises errors of any kind on a damaged file.
            raise ValueError(f"its mask cannot be decoded ({error})") from None
        top, left = max(self.top, 0), max(self.left, 0)
        inside = inside[top - self.top :, left - self.left :]
        area = codes[top : top + inside.shape[0], left : left + inside.shape[1]]
        area[inside[: area.shape[0], : area.shape[1]]] = self.code


def _points(data: bytes) -> Points:
    return np.frombuffer(data, np.float64).reshape(-1, 2)


@dataclass(frozen=True, kw_only=True)
class ShapesMask(DrawnMask):
    """Shapes that are painted one over the other.

    Attributes:
        shapes: the shapes, from the undermost up.
        uncovered: the code of pixels that no shape covers.
    """

    shapes: tuple[Shape, ...]
    uncovered: int = 0

    def draw(self) -> npt.NDArray[np.uint32]:
        """Paint all shapes.

        Raises:
            DatasetError: if a shape is damaged.
        """
        codes = np.full((self.height_px, self.width_px), self.uncovered, np.uint32)
        for number, shape in enumerate(self.shapes, 1):
            try:
                shape.paint(codes)
            except ValueError as error:
                raise DatasetError(
                    f"{self.where}: shape {number} cannot be drawn: {error}. "
                    "Export it again, or remove the shape."
                ) from None
        return codes
