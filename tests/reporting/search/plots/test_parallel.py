from typing import Any

import pytest

from segshrink.reporting.plots.theme import LIGHT
from segshrink.reporting.search.plots.parallel import parallel_plot
from segshrink.reporting.search.plots.trials import TrialColors

from ..search_folder import (
    large_search,
    only,
    read_record,
    small_search,
)
from .drawn_plot import drawn, texts_overlap

COLORS = TrialColors(LIGHT)


def test_parallel_tells_the_chosen_the_own_and_those_over_a_limit() -> None:
    _, axes = drawn(parallel_plot(read_record(small_search())))
    lines = [line for line in axes.lines if len(line.get_xdata()) == 7]
    colors = [line.get_color() for line in lines]
    assert len(lines) == 4
    assert {COLORS.chosen, COLORS.default, COLORS.over} < set(colors)
    best = max(lines, key=lambda line: line.get_linewidth())
    assert best.get_color() == COLORS.chosen and best.get_zorder() == 5


def test_parallel_has_so_many_axes_as_can_be_read() -> None:
    record = large_search(30)
    for number in range(9):
        place = f"student.training.extra_{number}"
        record["space"][place] = {"int": [0, 9]}
        for trial in record["trials"]:
            trial["values"][place] = (trial["number"] + number) % 10
    plot = parallel_plot(read_record(record))
    figure, axes = drawn(plot)
    assert plot is not None and "Shown are 9 of 15 fields" in plot.note
    assert "learning_rate" in plot.alt and "extra_8" not in plot.alt
    assert not texts_overlap(figure, axes)


@pytest.mark.parametrize(
    "record", [only(small_search(), 4, best=4), small_search(space={})]
)
def test_one_trial_or_no_space_is_no_parallel_plot(record: dict[str, Any]) -> None:
    assert parallel_plot(read_record(record)) is None
