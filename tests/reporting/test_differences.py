"""Maps of who is right, by hand."""

import numpy as np
import pytest

from segshrink.reporting.differences import LEGEND, difference_map

RED, BLUE, GREEN, VOID = (255, 0, 0), (0, 0, 255), (0, 255, 0), (0, 0, 0)
COLORS = {each.name: each.color for each in LEGEND}


def strip(*colors):
    return np.array([colors], np.uint8)


def test_each_pixel_says_who_is_right():
    found = difference_map(
        strip(RED, RED, RED, RED, RED, VOID),
        strip(RED, RED, BLUE, BLUE, GREEN, RED),
        strip(RED, BLUE, RED, BLUE, BLUE, BLUE),
    )
    names = (
        "both right", "only the teacher right", "only the student right",
        "both wrong", "both wrong", "void, not scored",
    )  # fmt: skip
    assert [tuple(pixel) for pixel in found[0].tolist()] == [COLORS[x] for x in names]


def test_a_black_class_is_not_void_where_it_is_predicted():
    black = strip(VOID, VOID, VOID)
    found = difference_map(black, strip(VOID, VOID, RED), strip(VOID, RED, VOID))
    names = ("both right", "only the teacher right", "only the student right")
    assert [tuple(pixel) for pixel in found[0].tolist()] == [COLORS[x] for x in names]


def test_the_colours_differ_in_lightness_or_hue():
    assert len(set(COLORS.values())) == len(LEGEND)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="must have the same shape"):
        difference_map(strip(RED), strip(RED, RED), strip(RED))
