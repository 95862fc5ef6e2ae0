import io
import pickle

import numpy as np
import pytest
from PIL import Image

from segshrink.data.shapes import BrushRuns, Drawing, Outline, ShapesMask, Stamp
from segshrink.errors import DatasetError


def drawn(*shapes, size=(12, 16), uncovered=0):
    mask = ShapesMask(
        path=None,
        where="a.json",
        height_px=size[0],
        width_px=size[1],
        shapes=shapes,
        uncovered=uncovered,
    )
    assert pickle.loads(pickle.dumps(mask)) == mask
    return mask.draw()


def ring(*corners):
    return np.array(corners, float)


def drawing(kind, *points):
    return Drawing(1, kind, ring(*points).tobytes())


def test_later_shapes_lie_above():
    below = Outline.of(1, ring((0, 0), (10, 0), (10, 10), (0, 10)))
    above = Outline.of(300, ring((5, 5), (16, 5), (16, 12), (5, 12)))
    expected = np.full((12, 16), 9, np.uint32)
    expected[:10, :10] = 1
    expected[5:, 5:] = 300
    codes = drawn(below, above, uncovered=9)
    assert codes.dtype == np.uint32
    np.testing.assert_array_equal(codes, expected)


def pixels(inside):
    rows, columns = np.mgrid[:12, :16]
    return inside(columns, rows)


@pytest.mark.parametrize(
    ("shape", "inside"),
    [
        # LabelMe draws with Pillow: corners are pixels, and borders belong to it.
        (
            drawing("rectangle", (9, 8), (2, 3)),
            lambda x, y: (x >= 2) & (x <= 9) & (y >= 3) & (y <= 8),
        ),
        (
            drawing("polygon", (2, 3), (9, 3), (9, 8), (2, 8)),
            lambda x, y: (x >= 2) & (x <= 9) & (y >= 3) & (y <= 8),
        ),
        (
            drawing("oriented_rectangle", (2, 3), (9, 3), (9, 8), (2, 8)),
            lambda x, y: (x >= 2) & (x <= 9) & (y >= 3) & (y <= 8),
        ),
    ],
    ids=lambda each: getattr(each, "kind", ""),
)
def test_shapes_are_drawn_with_their_borders(shape, inside):
    np.testing.assert_array_equal(drawn(shape) == 1, pixels(inside))


@pytest.mark.parametrize("kind", ["line", "linestrip"])
def test_lines_are_ten_pixels_wide(kind):
    codes = drawn(drawing(kind, (0, 6), (15, 6)))
    rows = np.flatnonzero(codes.any(axis=1))
    assert len(rows) == 10 and set(range(2, 11)) <= set(rows)
    assert (codes[rows] == 1).all()


@pytest.mark.parametrize(
    ("shape", "radius"),
    [(drawing("circle", (7, 5), (7, 9)), 4), (drawing("point", (7, 5)), 5)],
    ids=["circle", "point"],
)
def test_discs(shape, radius):
    distance = pixels(lambda x, y: np.hypot(x - 7, y - 5))
    codes = drawn(shape)
    assert (codes[distance <= radius - 0.5] == 1).all()
    assert (codes[distance > radius + 0.5] == 0).all()


def test_a_stamp_is_cut_off_at_the_border():
    small = np.zeros((4, 5), bool)
    small[1:, 2:] = True
    buffer = io.BytesIO()
    Image.fromarray(small).save(buffer, "PNG")
    expected = np.zeros((12, 16), np.uint32)
    expected[4:7, 5:8] = 1
    png = buffer.getvalue()
    np.testing.assert_array_equal(drawn(Stamp(1, 3, 3, png)), expected)
    expected[:] = 0
    expected[0:2, 0:2] = 1
    np.testing.assert_array_equal(drawn(Stamp(1, -3, -2, png)), expected)
    expected[:] = 0
    expected[11:, 15:] = 1
    np.testing.assert_array_equal(drawn(Stamp(1, 13, 10, png)), expected)
    assert not drawn(Stamp(1, -40, 3, png)).any()


@pytest.mark.parametrize(
    "shape", [Stamp(1, 0, 0, b"no image"), BrushRuns(1, b"\0\0\3\0\0\0\0\0")]
)
def test_a_damaged_shape_is_named(shape):
    with pytest.raises(DatasetError, match=r"a\.json: shape 2 cannot be drawn"):
        drawn(drawing("point", (1, 1)), shape)
