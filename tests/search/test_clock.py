"""Seconds of a search over all its starts, and over all its drivers."""

import optuna
import pytest

from segshrink.search import clock
from segshrink.search.clock import SCHEDULING_SECONDS, SECONDS, Clock, seconds_of_all


@pytest.fixture
def now(monkeypatch):
    """A list whose only entry is the time."""
    moment = [100.0]
    monkeypatch.setattr(clock.time, "monotonic", lambda: moment[0])
    return moment


def test_seconds_add_up_over_starts_and_drivers(now):
    study = optuna.create_study()
    first = Clock(study, "a", slots=1)
    now[0] += 2
    first.occupy(0)
    now[0] += 5
    first.release(0)
    now[0] += 1
    first.occupy(0)
    assert first.seconds == 8
    first.keep()
    again = Clock(study, "a", slots=1)
    now[0] += 4
    assert (again.seconds, again.seconds_since_start) == (12, 4)
    again.keep()
    other = Clock(study, "b", slots=2)
    now[0] += 1
    other.keep()
    assert seconds_of_all(study, SECONDS) == 13
    assert seconds_of_all(study, SCHEDULING_SECONDS) == 3
