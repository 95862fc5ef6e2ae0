from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from segshrink.reporting.plots.label_placement import Box, leader, place_labels

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
    radii = data.draw(
        st.lists(st.floats(4, 24), min_size=len(anchors), max_size=len(anchors))
    )
    sizes = [(width, 18.0) for width in widths]
    boxes = place_labels(anchors, sizes, BOUNDS, radii=radii)
    assert [(box.width, box.height) for box in boxes] == sizes
    assert all(box.is_inside(BOUNDS) for box in boxes)
    assert all(one.overlap(other) == 0 for one, other in combinations(boxes, 2))
    markers = [
        Box(x - radius + 1, y - radius + 1, 2 * radius - 2, 2 * radius - 2)
        for (x, y), radius in zip(anchors, radii, strict=True)
    ]
    assert all(box.overlap(marker) == 0 for box in boxes for marker in markers)


def test_a_lonely_label_stands_right_of_its_point() -> None:
    [box] = place_labels([(100, 100)], [(80, 20)], BOUNDS, radii=[RADIUS])
    assert (box.left, box.bottom) == (112, 90)


def test_obstacles_are_kept_free() -> None:
    obstacle = Box(100, 95, 400, 10)
    [box] = place_labels(
        [(100, 100)], [(80, 20)], BOUNDS, radii=[RADIUS], obstacles=[obstacle]
    )
    assert box.overlap(obstacle) == 0


def test_a_line_leads_to_a_label_that_lies_apart() -> None:
    near, apart = Box(112, 90, 80, 20), Box(140, 90, 80, 20)
    assert leader((100, 100), near, RADIUS) is None
    assert leader((100, 100), apart, RADIUS) == ((100, 100), (140, 100))
    slanted = leader((100, 100), Box(160, 150, 80, 20), RADIUS)
    assert slanted == ((100, 100), (160, 150))


def test_lines_to_labels_cross_no_other_label() -> None:
    # Wide labels in the order in which the greedy way alone has to cross one.
    anchors = [
        (962.0, 98.0), (1047.0, 98.0), (177.0, 160.0), (490.0, 129.0), (463.0, 129.0),
        (384.0, 129.0), (194.0, 180.0), (1121.0, 494.0),
    ]  # fmt: skip
    widths = [449, 419, 228, 422, 445, 440, 421, 552]
    bounds, radii = Box(63, 39, 1190, 516), [16.0, 16.0, *[7.0] * 5, 25.0]
    boxes = place_labels(
        [(x, 594 - y) for x, y in anchors],
        [(width, 18.0) for width in widths],
        bounds,
        radii=radii,
        obstacles=[Box(x - 30, 592 - y, 70, 4) for x, y in anchors],
    )
    for index, ((x, y), box, radius) in enumerate(
        zip(anchors, boxes, radii, strict=True)
    ):
        line = leader((x, 594 - y), box, radius)
        others = [other for place, other in enumerate(boxes) if place != index]
        assert not any(box.overlap(other) for other in others)
        if line is not None:
            (from_x, from_y), (to_x, to_y) = line
            for share in range(100):
                at_x = from_x + share / 100 * (to_x - from_x)
                at_y = from_y + share / 100 * (to_y - from_y)
                dot = Box(at_x - 0.5, at_y - 0.5, 1, 1)
                assert not any(dot.overlap(other) for other in others)


def test_overlap_is_the_common_area() -> None:
    assert Box(0, 0, 10, 10).overlap(Box(6, 7, 10, 10)) == 4 * 3
    assert Box(0, 0, 10, 10).overlap(Box(10, 0, 5, 5)) == 0
