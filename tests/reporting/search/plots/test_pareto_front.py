import pytest

from segshrink.reporting.plots.theme import LIGHT
from segshrink.reporting.search.plots.pareto_front import front_plot
from segshrink.reporting.search.plots.trials import TrialColors

from ..search_folder import (
    large_search,
    read_record,
    small_search,
    trial_record,
)
from .drawn_plot import drawn, labelled, points, texts_overlap

COLORS = TrialColors(LIGHT)


def test_front_has_points_line_limit_and_teacher() -> None:
    figure, axes = drawn(front_plot(read_record(small_search())))
    front = labelled(axes, "Pareto front")
    assert list(front.get_xdata()) == [2.0, 4.2]
    assert list(front.get_ydata()) == pytest.approx([55.0, 63.0])
    assert front.get_drawstyle() == "steps-post"
    assert list(points(axes, "s").values()) == [[(31.5, 71.0)]]
    assert list(points(axes, "D").values()) == [[(4.4, 61.0)]]
    over = labelled(axes, "over a limit")
    assert (list(over.get_xdata()), list(over.get_ydata())) == ([6.1], [64.0])
    assert over.get_color() == COLORS.over
    assert list(labelled(axes, "limit, 5.00 ms").get_xdata()) == [5.0, 5.0]
    assert axes.get_xscale() == "log"
    assert {text.get_text() for text in axes.texts} == {"4", "1", "0", "teacher"}
    [legend] = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {
        "limit, 5.00 ms",
        "Pareto front",
        "over a limit",
        "best, trial 4, 180 kB",
        "trial 1, 80.0 kB",
        "recipe's own, trial 0, 190 kB",
        "teacher, 1.9 MB",
    }


def test_front_of_like_latencies_has_an_even_axis() -> None:
    record = small_search(teacher=None, limits={})
    record["trials"][1]["latency_ms"] = 3.9
    _, axes = drawn(front_plot(read_record(record)))
    assert axes.get_xscale() == "linear"
    assert axes.get_xlim()[0] < 3.9 and axes.get_xlim()[1] > 6.1


@pytest.mark.parametrize("count", [20, 60, 200])
@pytest.mark.parametrize("objective", ["miou", "front"])
def test_names_in_the_front_do_not_overlap(count: int, objective: str) -> None:
    record = large_search(count, seed=count, objective=objective)
    figure, axes = drawn(front_plot(read_record(record)))
    assert len(axes.texts) >= 3
    assert not texts_overlap(figure, axes)


def test_the_front_is_never_cut_off() -> None:
    record = large_search(60)
    fastest = record["trials"][7]
    fastest |= trial_record(7, miou=0.08, latency_ms=0.5)
    record["trials"][8] = trial_record(8, miou=0.03, latency_ms=0.6)
    record["front"].insert(0, 7)
    plot = front_plot(read_record(record))
    _, axes = drawn(plot)
    assert plot is not None and "1 trial lies below the picture" in plot.note
    assert axes.get_ylim()[0] < labelled(axes, "Pareto front").get_ydata()[0]
    assert sum(len(places) for places in points(axes, "v").values()) == 1


def test_nothing_timed_has_no_front() -> None:
    record = small_search()
    for trial in record["trials"]:
        trial["latency_ms"] = None
    assert front_plot(read_record(record)) is None
