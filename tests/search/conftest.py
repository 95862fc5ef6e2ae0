"""Searches of pretended trials do not wait between two looks at them."""

import pytest

from segshrink.search import driver


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch):
    monkeypatch.setattr(driver, "_LOOK_SECONDS", 0.0)
