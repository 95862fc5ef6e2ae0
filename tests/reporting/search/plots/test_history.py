from segshrink.reporting.search.plots.history import history_plot

from ..search_folder import (
    read_record,
    small_search,
)
from .drawn_plot import drawn, labelled, points


def test_history_shows_each_kind_of_trial() -> None:
    _, axes = drawn(history_plot(read_record(small_search())))
    dots = points(axes, "o")
    assert dots["complete"] == [(1, 55.0), (4, 63.0)]
    assert dots["stopped early"] == [(3, 31.0)]
    assert points(axes, "D") == {"recipe's own values": [(0, 61.0)]}
    assert points(axes, "s") == {"over a limit": [(2, 64.0)]}
    assert [x for x, _ in points(axes, "|")["skipped"]] == [5]
    assert [x for x, _ in points(axes, "x")["failed"]] == [6]
    steps = labelled(axes, "best so far")
    assert list(steps.get_xdata()) == [0, 4, 6]
    assert list(steps.get_ydata()) == [61.0, 63.0, 63.0]
    assert [text.get_text() for text in axes.texts] == ["trial 4: 63.0 %"]


def test_history_says_in_words_what_it_shows() -> None:
    plot = history_plot(read_record(small_search()))
    assert plot is not None
    assert plot.alt == (
        "mIoU of each trial; 4 ran to the end, 1 was stopped early, 1 was skipped "
        "untrained, 1 failed. Best so far: 61.0 in trial 0, 63.0 in trial 4."
    )


def test_of_equally_good_trials_the_record_says_which() -> None:
    record = small_search(best=4)
    record["trials"][1]["miou"] = 0.63
    _, axes = drawn(history_plot(read_record(record)))
    assert axes.texts[0].get_text() == "trial 4: 63.0 %"
