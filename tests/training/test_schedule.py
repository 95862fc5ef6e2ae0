import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.training.schedule import warmup_cosine

from .runs import small_settings


def rate_by_hand(step: int, *, peak: float, warmup: float, total: int) -> float:
    rising = round(warmup * total)
    if step < rising:
        return peak * step / rising
    falling = max(1, total - rising)
    return peak * (1 + math.cos(math.pi * min(1, (step - rising) / falling))) / 2


@given(
    total=st.integers(1, 500),
    warmup=st.floats(0, 0.9),
    peak=st.floats(1e-5, 1),
    share=st.floats(0, 1),
)
def test_rate_of_any_step(total, warmup, peak, share):
    step = round(share * total)
    settings = small_settings(learning_rate=peak, warmup=warmup)
    rate = float(warmup_cosine(settings, total)(step))
    expected = rate_by_hand(step, peak=peak, warmup=warmup, total=total)
    assert rate == pytest.approx(expected, rel=1e-4, abs=1e-6 * peak)


def test_ends_of_the_curve():
    settings = small_settings(learning_rate=0.5, warmup=0.1)
    schedule = warmup_cosine(settings, 100)
    rates = [float(schedule(step)) for step in (0, 5, 10, 55, 100)]
    assert rates == pytest.approx([0, 0.25, 0.5, 0.25, 0], abs=1e-7)
