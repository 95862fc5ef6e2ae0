from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from segshrink.reporting.plots.scatter import Point, draw_names, draw_points
from segshrink.reporting.plots.theme import LIGHT, Mark

MARK = Mark("#d55e00", "o")
places = st.tuples(st.floats(6, 94), st.floats(50, 80))


def empty_axes() -> Axes:
    figure = Figure((8.4, 4.4))
    axes = figure.subplots()
    axes.set(xlim=(0, 100), ylim=(45, 85))
    return axes


def markers(axes: Axes, points: list[Point]) -> list[Bbox]:
    """Squares within the round markers."""
    centers = [
        axes.transData.transform((point.median_ms, point.miou_percent))
        for point in points
    ]
    radii = [point.diameter / 2 * axes.figure.dpi / 72 / 1.5 for point in points]
    return [
        Bbox([center - radius, center + radius])
        for center, radius in zip(centers, radii, strict=True)
    ]


@given(st.lists(st.tuples(places, st.floats(4.5, 22)), min_size=1, max_size=10))
def test_names_cover_neither_each_other_nor_points(
    drawn: list[tuple[tuple[float, float], float]],
) -> None:
    points = [
        Point(str(number), "", x, y, MARK, diameter=diameter)
        for number, ((x, y), diameter) in enumerate(drawn, 1)
    ]
    with LIGHT.style():
        axes = empty_axes()
        draw_points(axes, points, with_legend=False)
        draw_names(axes, points, LIGHT)
        axes.figure.draw_without_rendering()
        names = [Text.get_window_extent(text) for text in axes.texts]
        area = axes.get_window_extent()
    assert [text.get_text() for text in axes.texts] == [p.name for p in points]
    assert not any(one.overlaps(other) for one, other in combinations(names, 2))
    assert not any(
        name.overlaps(marker) for name in names for marker in markers(axes, points)
    )
    assert all(area.x0 <= name.x0 and name.x1 <= area.x1 for name in names)
    assert all(area.y0 <= name.y0 and name.y1 <= area.y1 for name in names)


def test_a_lonely_name_stands_above_its_point_without_a_line() -> None:
    axes = empty_axes()
    draw_names(axes, [Point("1", "", 50, 60, MARK)], LIGHT)
    [name] = axes.texts
    across, up = name.xyann
    assert abs(across) < 0.01 and 4.5 < up < 15
    assert name.arrow_patch is None


def test_points_without_a_name_are_kept_free_and_a_line_leads_to_a_far_name() -> None:
    axes = empty_axes()
    point = Point("1", "", 50, 60, MARK)
    crowd = [(50 + x / 2, 60 + y / 3) for x in range(-9, 10) for y in range(-9, 10)]
    draw_names(axes, [point], LIGHT, crowd)
    axes.figure.draw_without_rendering()
    [name] = axes.texts
    box = Text.get_window_extent(name)
    assert not any(box.contains(*axes.transData.transform(place)) for place in crowd)
    assert name.arrow_patch is not None
