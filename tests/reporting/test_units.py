import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.reporting.units import (
    human_bytes,
    human_count,
    human_ms,
    human_percent,
    human_points,
    human_ratio,
    human_seconds,
    shortened,
)

_SCALE = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1.00 k"),
        (1_940_000, "1.94 M"),
        (228_000_000, "228 M"),
        (999_499, "999 k"),
        (999_500, "1.00 M"),
        (31_049_000, "31.0 M"),
        (None, "–"),
    ],
)
def test_counts(count: int | None, text: str) -> None:
    assert human_count(count) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(512, "512 B"), (7_640_000, "7.6 MB"), (213_400, "213 kB"), (21_340, "21.3 kB")],
)
def test_bytes(size: int, text: str) -> None:
    assert human_bytes(size) == text


@given(st.integers(0, 10**14))
def test_a_count_reads_back_to_half_a_percent(count: int) -> None:
    match = re.fullmatch(r"([\d.]+) ?([kMGT]?)", human_count(count))
    assert match
    read = float(match[1]) * _SCALE[match[2]]
    assert read == pytest.approx(count, rel=0.005 + 1e-9)
    assert float(match[1]) < 1000 or count >= 999.5e9


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (33.69, "33.7×"),
        (1.0, "1.00×"),
        (9.996, "10.0×"),
        (150.4, "150×"),
        (0.052, "0.052×"),
    ],
)
def test_ratios(ratio: float, text: str) -> None:
    assert human_ratio(ratio) == text


@pytest.mark.parametrize(
    ("points", "text"),
    [(-1.38, "−1.4"), (0.6, "+0.6"), (0.04, "0.0"), (-0.04, "0.0"), (None, "–")],
)
def test_points_carry_their_sign(points: float | None, text: str) -> None:
    assert human_points(points) == text


def test_milliseconds_and_percent() -> None:
    assert [human_ms(ms) for ms in (0.123, 4.06, 14.6, 118.4)] == [
        "0.12",
        "4.06",
        "14.6",
        "118",
    ]
    assert human_percent(0.7846) == "78.5"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (812.0, "13 min 32 s"),
        (3599.6, "1 h"),
        (7384.0, "2 h 3 min"),
    ],
)
def test_seconds(seconds: float, text: str) -> None:
    assert human_seconds(seconds) == text


@pytest.mark.parametrize("most", range(1, 12))
def test_shortened_text_fits_and_keeps_both_ends(most: int) -> None:
    text = shortened("abcdefghij", most)
    assert len(text) == min(most, 10)
    if 3 <= most < 10:
        assert text.startswith("a") and text.endswith("j") and "…" in text
