import numpy as np
import pytest

from segshrink.data import outlines
from segshrink.data.outlines import area_px, as_points, fill

from .layouts.drawing import inside_by_loop


def filled(height, width, rings):
    codes = np.zeros((height, width), np.uint32)
    fill(codes, [np.array(ring, float) for ring in rings], 7)
    assert set(np.unique(codes)) <= {0, 7}
    return codes == 7


@pytest.mark.parametrize("at_once", [1 << 21, 30])
def test_pixels_whose_centres_are_inside(monkeypatch, at_once):
    monkeypatch.setattr(outlines, "_PIXELS_AT_ONCE", at_once)
    generator = np.random.default_rng(0)
    for trial in range(60):
        height, width = generator.integers(1, 25, 2)
        shapes = [(generator.integers(3, 8), 2) for _ in range(1 + trial % 2)]
        rings = [generator.uniform(-10, 30, shape) for shape in shapes]
        if trial % 3 == 0:  # corners and edges on centres
            rings = [np.round(ring * 2) / 2 for ring in rings]
        rings = [ring.tolist() for ring in rings]
        expected = inside_by_loop(height, width, rings)
        np.testing.assert_array_equal(filled(height, width, rings), expected)


def test_whole_pixels_and_holes():
    outer = [(2, 1), (8, 1), (8, 6), (2, 6)]
    expected = np.zeros((9, 10), bool)
    expected[1:6, 2:8] = True
    np.testing.assert_array_equal(filled(9, 10, [outer]), expected)
    expected[3:5, 4:6] = False
    hole = [(4, 3), (6, 3), (6, 5), (4, 5)]
    np.testing.assert_array_equal(filled(9, 10, [outer, hole]), expected)


def test_areas_that_share_an_edge_leave_and_take_no_pixel_twice():
    generator = np.random.default_rng(1)
    for _ in range(50):
        top, bottom = generator.uniform(0, 20, 2)
        left = filled(12, 20, [[(0, 0), (top, 0), (bottom, 12), (0, 12)]])
        right = filled(12, 20, [[(20, 12), (bottom, 12), (top, 0), (20, 0)]])
        assert (left ^ right).all()


def test_far_corners_cost_nothing():
    ring = [(-1e9, -1e9), (1e9, -1e9), (1e9, 1e9), (-1e9, 1e9)]
    assert filled(5, 6, [ring]).all()
    assert not filled(5, 6, [[(x + 5e9, y) for x, y in ring]]).any()


@pytest.mark.parametrize(
    "numbers",
    [[1, 2, 3], [1, "2"], [float("nan"), 1], [1e300, 1], None, "12", [[1, 2, 3]], {}]
    + [[[1, 2], [3]], [10**400, 1], [True, False]],
)
def test_what_is_no_list_of_points(numbers):
    assert as_points(numbers) is None


def test_points_and_areas():
    flat = as_points([0, 0, 4, 0, 4, 3])
    np.testing.assert_array_equal(flat, as_points([[0, 0], [4, 0], [4, 3]]))
    assert area_px(flat) == 6
