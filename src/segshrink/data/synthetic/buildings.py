"""Houses, halls, building sites and cars: their parts and their places."""

from dataclasses import dataclass

import numpy as np

from segshrink.data.synthetic.arrays import FloatArray
from segshrink.data.synthetic.geometry import Rectangle
from segshrink.data.synthetic.objects import ObjectLayer, Stripes
from segshrink.data.synthetic.plan import BlockKind, Plan
from segshrink.data.synthetic.streets import Streets
from segshrink.data.synthetic.textures import Palette, Surface

_BEAM_SPACING_PX = 7.5
_BEAM_WIDTH_PX = 2.4
_FENCE_COLOR = (188, 122, 72)
_FORMWORK_COLOR = (220, 192, 132)
_CAR_SPACING_PX = 65.0
_CAR_COLORS = ((226, 226, 224), (54, 56, 60), (150, 152, 156), (150, 52, 46))


@dataclass(frozen=True)
class ClassIndices:
    """The indices that faces are labelled with."""

    building: int
    road: int
    site: int


@dataclass
class Builder:
    """Puts objects on a layer, in the colours of one scene."""

    rng: np.random.Generator
    layer: ObjectLayer
    palette: Palette
    classes: ClassIndices

    def lots(self, block: Rectangle, kind: BlockKind) -> list[Rectangle]:
        """Cut a block into the lots of its kind; parks and bare land have none."""
        if kind is BlockKind.RESIDENTIAL:
            return _cut(block.inset(4), target_px=27)
        if kind is BlockKind.COMMERCIAL:
            return _cut(block.inset(3), target_px=48)
        return []

    def build(self, lot: Rectangle, kind: BlockKind) -> None:
        """Put the building of its kind on a lot."""
        if kind is BlockKind.RESIDENTIAL:
            self._add_house(lot)
        else:
            self._add_hall(lot)

    def _roof_color(self) -> FloatArray:
        colors = self.palette.roofs
        return colors[self.rng.integers(len(colors))] * self.rng.uniform(0.88, 1.1)

    def _add_house(self, lot: Rectangle) -> None:
        """A hipped or gabled roof with courses of tiles."""
        if self.rng.random() < 0.06:
            return
        rng = self.rng
        roof = _shrunk(lot, rng.uniform(1.5, 4.5, 4))
        color = self._roof_color()
        self.layer.cast_shadow(roof.corners, rng.uniform(4, 7))
        inset = 0.0 if rng.random() < 0.4 else 0.5 * min(roof.width_px, roof.height_px)
        for face, slope in _roof_faces(roof, inset):
            # Courses run along the eaves, so they repeat down the slope.
            courses = Stripes(abs(slope[0]), abs(slope[1]), period_px=4.0, depth=0.24)
            tone = self.layer.slope_tone(*slope)
            self.layer.add_face(face, color * tone, self.classes.building, courses)

    def _add_hall(self, lot: Rectangle) -> None:
        """A flat roof with a parapet, seams and vents; at times a wing is missing."""
        rng = self.rng
        roof = _shrunk(lot, rng.uniform(1.5, 5, 4))
        color, height_px = self._roof_color(), rng.uniform(7, 12)
        along_u = float(rng.random() < 0.5)
        seams = Stripes(along_u, 1 - along_u, period_px=rng.uniform(5, 7), depth=0.22)
        outline = roof.corners
        if rng.random() < 0.4:
            outline = _without_corner(roof, *rng.uniform(0.3, 0.48, 2))
        self.layer.cast_shadow(outline, height_px)
        self.layer.add_face(outline, color * 1.28, self.classes.building)
        center = np.array(roof.center)
        inner = outline + 1.8 * np.sign(center - outline)
        self.layer.add_face(inner, color, self.classes.building, seams)
        self._add_vents(roof)

    def _add_vents(self, roof: Rectangle) -> None:
        # The quarter at (u0, v0) is roof even where a wing is missing.
        part = Rectangle(roof.u0, roof.v0, *roof.center).inset(4)
        if part.width_px < 4 or part.height_px < 4:
            return
        for _ in range(int(self.rng.integers(1, 5))):
            u = self.rng.uniform(part.u0, part.u1)
            v = self.rng.uniform(part.v0, part.v1)
            side = self.rng.uniform(1.2, 2.2)
            box = _around(u, v, side, side).corners
            gray = self.rng.choice([70.0, 215.0])
            shadow = box + 1.7 * self.layer.away_from_light
            self.layer.add_face(shadow, np.full(3, 60.0), self.classes.building)
            self.layer.add_face(box, np.full(3, gray), self.classes.building)

    def add_site(self, site: Rectangle) -> None:
        """A building site: a lattice of formwork over dark pits, behind a fence.

        A lattice looks the same at any angle and like no roof, whose seams run one way.
        """
        rng, label = self.rng, self.classes.site
        soil = self.palette.ground[Surface.SOIL]
        pits, beams = 0.42 * soil, 0.3 * soil + 0.7 * np.array(_FORMWORK_COLOR)
        self.layer.add_face(site.corners, np.array(_FENCE_COLOR, float), label)
        inner = site.inset(2)
        self.layer.add_face(inner.corners, pits, label)
        for u in np.arange(inner.u0 + 3, inner.u1 - 2, _BEAM_SPACING_PX).tolist():
            beam = Rectangle(u, inner.v0, u + _BEAM_WIDTH_PX, inner.v1)
            self.layer.add_face(beam.corners, beams, label)
        for v in np.arange(inner.v0 + 3, inner.v1 - 2, _BEAM_SPACING_PX).tolist():
            beam = Rectangle(inner.u0, v, inner.u1, v + _BEAM_WIDTH_PX)
            self.layer.add_face(beam.corners, beams, label)
        yard = inner.inset(5)
        for _ in range(int(rng.integers(3, 8))):
            u, v = rng.uniform(yard.u0, yard.u1), rng.uniform(yard.v0, yard.v1)
            sides = rng.permutation([rng.uniform(2.5, 4.5), rng.uniform(1.2, 2)])
            item = _around(u, v, *sides)
            self.layer.add_face(item.corners, self._roof_color(), label)

    def add_car(self, u: float, v: float, *, along_u: bool) -> None:
        """A car of 7 x 4 pixels with a darker roof; its pixels are road."""
        half_u, half_v = (3.6, 1.9) if along_u else (1.9, 3.6)
        color = np.array(_CAR_COLORS[self.rng.integers(len(_CAR_COLORS))], float)
        body = _around(u, v, half_u, half_v)
        self.layer.cast_shadow(body.corners, 1.5)
        self.layer.add_face(body.corners, color, self.classes.road)
        roof = _around(u, v, 1.2, 1.2)
        self.layer.add_face(roof.corners, color * 0.72, self.classes.road)


def _around(u: float, v: float, half_u: float, half_v: float) -> Rectangle:
    return Rectangle(u - half_u, v - half_v, u + half_u, v + half_v)


def _shrunk(lot: Rectangle, margins: FloatArray) -> Rectangle:
    left, top, right, bottom = margins.tolist()
    return Rectangle(lot.u0 + left, lot.v0 + top, lot.u1 - right, lot.v1 - bottom)


def _without_corner(roof: Rectangle, share_u: float, share_v: float) -> FloatArray:
    """The outline of an L: `roof` less a share of its sides at the far corner."""
    u = roof.u1 - share_u * roof.width_px
    v = roof.v1 - share_v * roof.height_px
    return np.array(
        [
            (roof.u0, roof.v0),
            (roof.u1, roof.v0),
            (roof.u1, v),
            (u, v),
            (u, roof.v1),
            (roof.u0, roof.v1),
        ]
    )


def _roof_faces(
    roof: Rectangle, hip_px: float
) -> list[tuple[FloatArray, tuple[float, float]]]:
    """Faces of a pitched roof with the city direction in which each slopes down.

    The ridge runs along the longer side and stops `hip_px` short of both ends; with 0
    the roof has two faces (a gable), otherwise four (a hip).
    """
    a, b, c, d = roof.corners
    slopes = [(0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)]
    if roof.height_px > roof.width_px:
        a, b, c, d = b, c, d, a
        slopes = slopes[1:] + slopes[:1]
    along = (b - a) / np.linalg.norm(b - a)
    start, end = (a + d) / 2 + hip_px * along, (b + c) / 2 - hip_px * along
    long_sides = [(np.array([a, b, end, start]), slopes[0])]
    long_sides.append((np.array([c, d, start, end]), slopes[2]))
    if not hip_px:
        return long_sides
    hips = [(np.array([b, c, end]), slopes[1]), (np.array([d, a, start]), slopes[3])]
    return long_sides + hips


def _cut(ground: Rectangle, *, target_px: float) -> list[Rectangle]:
    """Cut `ground` into equal lots with sides of about `target_px`."""
    columns = max(1, round(ground.width_px / target_px))
    rows = max(1, round(ground.height_px / target_px))
    us = np.linspace(ground.u0, ground.u1, columns + 1).tolist()
    vs = np.linspace(ground.v0, ground.v1, rows + 1).tolist()
    return [
        Rectangle(us[i], vs[j], us[i + 1], vs[j + 1])
        for i in range(columns)
        for j in range(rows)
    ]


def draw_cars(rng: np.random.Generator, plan: Plan) -> list[tuple[float, float, bool]]:
    """Places `(u, v, whether the street runs along u)` of cars in the lanes."""
    cars = []
    for runs_along_u, streets in enumerate(plan.streets):
        places = _lane_places(rng, streets, plan.frame.reach_px)
        if runs_along_u:
            places = places[:, ::-1]
        surfaces = plan.surfaces_at(places)
        on_road = (surfaces == Surface.ASPHALT) | (surfaces == Surface.MARKING)
        cars += [(u, v, bool(runs_along_u)) for u, v in places[on_road].tolist()]
    return cars


def _lane_places(
    rng: np.random.Generator, streets: Streets, reach_px: float
) -> FloatArray:
    """Places (across, along), `(n, 2)`, some way apart in the lanes of `streets`."""
    along = np.arange(-reach_px, reach_px, _CAR_SPACING_PX)
    centers, half_widths = streets.centers_px[:, None], streets.half_widths_px[:, None]
    shape = (len(centers), len(along))
    across = centers + half_widths * rng.choice([-0.45, 0.45], shape)
    jitter = rng.uniform(-0.4, 0.4, shape) * _CAR_SPACING_PX
    return np.stack([across, along + jitter], axis=-1).reshape(-1, 2)
