"""Short texts of trials; the tests of table and lines cover the others."""

import pytest

from segshrink.cli.trial_text import time_left


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "< 1 min"),
        (59.9, "< 1 min"),
        (60, "about 1 min"),
        (700, "about 12 min"),
        (3590, "about 1 h"),
        (6000, "about 1 h 40 min"),
        (90_000, "about 25 h"),
    ],
)
def test_time_left_in_minutes(seconds, text):
    assert time_left(seconds) == text
