"""Maps of who is right, by hand."""

import numpy as np
import pytest

from segshrink.reporting.differences import LEGEND, difference_map

RED, BLUE, GREEN, BLACK = (255, 0, 0), (0, 0, 255), (0, 255, 0), (0, 0, 0)
COLORS = {each.name: each.color for each in LEGEND}


def strip(*colors):
    return np.array([colors], np.uint8)


def truth_of(*colors, void=()):
    """As annotated: void pixels, by their places, are transparent."""
    alpha = [0 if place in void else 255 for place in range(len(colors))]
    return np.dstack([strip(*colors), np.array([alpha], np.uint8)])


def test_each_pixel_says_who_is_right():
    found = difference_map(
        truth_of(RED, RED, RED, RED, RED, BLACK, void=[5]),
        strip(RED, RED, BLUE, BLUE, GREEN, RED),
        strip(RED, BLUE, RED, BLUE, BLUE, BLUE),
    )
    names = (
        "both right", "only the teacher right", "only the student right",
        "both wrong", "both wrong", "void, not scored",
    )  # fmt: skip
    assert [tuple(pixel) for pixel in found[0].tolist()] == [COLORS[x] for x in names]


def test_a_black_class_is_not_void():
    found = difference_map(
        truth_of(BLACK, BLACK, BLACK, BLACK, BLACK, void=[4]),
        strip(BLACK, BLACK, RED, RED, RED),
        strip(BLACK, RED, BLACK, BLUE, BLACK),
    )
    names = (
        "both right", "only the teacher right", "only the student right",
        "both wrong", "void, not scored",
    )  # fmt: skip
    assert [tuple(pixel) for pixel in found[0].tolist()] == [COLORS[x] for x in names]


def test_the_colours_differ_in_lightness_or_hue():
    assert len(set(COLORS.values())) == len(LEGEND)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="must have the same shape"):
        difference_map(truth_of(RED), strip(RED, RED), strip(RED))
