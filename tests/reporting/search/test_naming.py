from typing import Any

import pytest

from segshrink.reporting.search.naming import (
    range_text,
    short_names,
    value_text,
)

from .search_folder import read_record, small_search


def test_names_are_as_short_as_they_differ() -> None:
    places = ["student.training.epochs", "teacher.training.epochs", "student.kind"]
    assert short_names(places) == {
        "student.training.epochs": "student.training.epochs",
        "teacher.training.epochs": "teacher.training.epochs",
        "student.kind": "kind",
    }
    assert short_names(["a.b.x", "a.c.x", "x"]) == {
        "a.b.x": "b.x",
        "a.c.x": "c.x",
        "x": "x",
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00312345, "0.00312"),
        (12345.0, "12345"),
        (32, "32"),
        (True, "yes"),
        (None, "none"),
        ("pruned", "pruned"),
        ({"channel_wise": 3.0, "pixel_kl": 0.5}, "channel_wise 3 + pixel_kl 0.5"),
        ([0.75, 1.333], "0.75, 1.33"),
        ([], "none"),
    ],
)
def test_values(value: Any, text: str) -> None:
    assert value_text(value) == text


def test_ranges() -> None:
    space = read_record(small_search()).space
    texts = [range_text(searched) for searched in space.values()]
    assert texts == [
        "0.0002 to 0.01, logarithmic",
        "1 to 32, logarithmic",
        "pruned | compact",
        "16 to 64 in steps of 8, where kind is compact",
        "0.2 to 0.8, where kind is pruned",
        "channel_wise 3 | pixel_kl 1 | dist 1",
    ]
