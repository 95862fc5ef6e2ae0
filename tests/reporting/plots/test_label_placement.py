from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from segshrink.reporting.plots.label_placement import Box, place_labels

BOUNDS = Box(0, 0, 1200, 700)
RADIUS = 12.0
points = st.lists(
    st.tuples(st.floats(40, 1160), st.floats(40, 660)), min_size=1, max_size=10
)


@given(points, st.data())
def test_labels_cover_neither_each_other_nor_points(
    anchors: list[tuple[float, float]], data: st.DataObject
) -> None:
    widths = data.draw(
        st.lists(st.floats(30, 260), min_size=len(anchors), max_size=len(anchors))
    )
    sizes = [(width, 18.0) for width in widths]
    boxes = place_labels(anchors, sizes, BOUNDS, radius=RADIUS)
    assert [(box.width, box.height) for box in boxes] == sizes
    assert all(box.is_inside(BOUNDS) for box in boxes)
    assert all(one.overlap(other) == 0 for one, other in combinations(boxes, 2))
    markers = [Box(x - 11, y - 11, 22, 22) for x, y in anchors]
    assert all(box.overlap(marker) == 0 for box in boxes for marker in markers)


def test_a_lonely_label_stands_right_of_its_point() -> None:
    [box] = place_labels([(100, 100)], [(80, 20)], BOUNDS, radius=RADIUS)
    assert (box.left, box.bottom) == (112, 90)


def test_obstacles_are_kept_free() -> None:
    obstacle = Box(100, 95, 400, 10)
    [box] = place_labels(
        [(100, 100)], [(80, 20)], BOUNDS, radius=RADIUS, obstacles=[obstacle]
    )
    assert box.overlap(obstacle) == 0


def test_overlap_is_the_common_area() -> None:
    assert Box(0, 0, 10, 10).overlap(Box(6, 7, 10, 10)) == 4 * 3
    assert Box(0, 0, 10, 10).overlap(Box(10, 0, 5, 5)) == 0
