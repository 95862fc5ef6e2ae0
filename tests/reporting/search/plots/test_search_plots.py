import io
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.theme import DARK, LIGHT
from segshrink.reporting.search.plots.history import history_plot
from segshrink.reporting.search.plots.importance import importance_plot
from segshrink.reporting.search.plots.parallel import parallel_plot
from segshrink.reporting.search.plots.pareto_front import front_plot
from segshrink.reporting.search.plots.trials import TrialColors
from segshrink.reporting.search.report import search_plots

from ..search_folder import (
    IMPORTANCE,
    large_search,
    only,
    read_record,
    small_search,
    trial_record,
)

COLORS = TrialColors(LIGHT)


def drawn(plot: Plot | None) -> tuple[Figure, Any]:
    assert plot is not None
    figure = plot.draw(LIGHT)
    [axes] = figure.axes
    return figure, axes


def points(axes: Any, marker: str) -> dict[str, list[tuple[float, float]]]:
    """Places of the points with a marker, by their label."""
    return {
        line.get_label(): [
            (float(x), round(float(y), 6))
            for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
        ]
        for line in axes.lines
        if line.get_marker() == marker and len(line.get_xdata())
    }


def labelled(axes: Any, label: str) -> Any:
    [line] = [line for line in axes.lines if line.get_label() == label]
    return line


def texts_overlap(figure: Figure, axes: Any) -> bool:
    figure.draw_without_rendering()
    texts = [text for text in axes.texts if text.get_text()]
    extents = [Text.get_window_extent(text) for text in texts]
    return any(
        one.overlaps(other)
        for place, one in enumerate(extents)
        for other in extents[:place]
    )


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


@pytest.mark.parametrize(
    ("objective", "marker", "side"),
    [("miou", "v", "below"), ("val_loss", "^", "above")],
)
def test_history_cuts_off_the_very_bad(objective: str, marker: str, side: str) -> None:
    record = large_search(60, objective=objective)
    plot = history_plot(read_record(record))
    _, axes = drawn(plot)
    cut = sum(len(places) for places in points(axes, marker).values())
    assert plot is not None and cut
    assert (
        f"{cut} trials lie {side} the picture, where the triangles point" in plot.note
    )
    low, high = axes.get_ylim()
    for line in axes.lines:
        if line.get_marker() in "osDv^" and len(line.get_xdata()):
            assert np.all((line.get_ydata() > low) & (line.get_ydata() < high))


def test_of_equally_good_trials_the_record_says_which() -> None:
    record = small_search(best=4)
    record["trials"][1]["miou"] = 0.63
    _, axes = drawn(history_plot(read_record(record)))
    assert axes.texts[0].get_text() == "trial 4: 63.0 %"


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


def test_importance_is_sorted_by_share() -> None:
    _, axes = drawn(importance_plot(read_record(small_search())))
    [bars] = axes.containers
    assert [bar.get_width() for bar in bars] == pytest.approx(
        [100 * share for share in IMPORTANCE.values()]
    )
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[0] == "learning_rate" and names[-1] == "batch_size"
    shown = [text.get_text() for text in axes.texts]
    assert shown == ["52", "21", "14", "8", "5", "< 1"]


def test_of_many_fields_the_weightiest_are_shown() -> None:
    importance = {f"student.field_{number}": number / 300 for number in range(24)}
    plot = importance_plot(read_record(small_search(importance=importance)))
    _, axes = drawn(plot)
    assert plot is not None and "9 lesser ones are left out" in plot.note
    assert "Fields that only some trials use are not judged" in plot.note
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [f"field_{number}" for number in range(23, 8, -1)]


@pytest.mark.parametrize("importance", [{}, {"student.kind": 0.0}])
def test_unknown_importance_is_no_plot(importance: dict[str, float]) -> None:
    assert importance_plot(read_record(small_search(importance=importance))) is None


def test_parallel_lines_cross_the_axes_at_their_values() -> None:
    record = small_search()
    record["trials"][4]["values"] |= {
        "student.kind": "compact",
        "student.model.width": 40,
        "student.training.learning_rate": 0.002,
    }
    del record["trials"][4]["values"]["student.pruning.keep_channels"]
    _, axes = drawn(parallel_plot(read_record(record)))
    [best] = [line for line in axes.lines if line.get_color() == COLORS.chosen]
    # In order of importance: learning rate, kind, kept channels, losses, width,
    # batch size; then the objective, from 55 to 64 %.
    heights = best.get_ydata()
    assert heights[0] == pytest.approx(np.log(10) / np.log(50))
    assert heights[1] == 0.0
    assert heights[2] < 0
    assert heights[3] == 1.0
    assert heights[4] == pytest.approx((40 - 16) / (64 - 16))
    assert heights[5] == pytest.approx(np.log(8) / np.log(32))
    assert heights[6] == pytest.approx((63 - 55) / (64 - 55))
    texts = [text.get_text() for text in axes.texts]
    for text in (
        "learning_rate\n(log)",
        "kind",
        "pruned",
        "channel_wise 3",
        "not used",
    ):
        assert text in texts


def test_parallel_tells_the_chosen_the_own_and_those_over_a_limit() -> None:
    _, axes = drawn(parallel_plot(read_record(small_search())))
    lines = [line for line in axes.lines if len(line.get_xdata()) == 7]
    colors = [line.get_color() for line in lines]
    assert len(lines) == 4
    assert {COLORS.chosen, COLORS.default, COLORS.over} < set(colors)
    best = max(lines, key=lambda line: line.get_linewidth())
    assert best.get_color() == COLORS.chosen and best.get_zorder() == 5


def test_parallel_has_the_least_loss_at_the_head() -> None:
    record = small_search(objective="val_loss", best=4)
    for number, loss in ((0, 0.8), (1, 0.9), (2, 0.7), (4, 0.6)):
        record["trials"][number]["val_loss"] = loss
    _, axes = drawn(parallel_plot(read_record(record)))
    [best] = [line for line in axes.lines if line.get_color() == COLORS.chosen]
    [own] = [line for line in axes.lines if line.get_color() == COLORS.default]
    assert best.get_ydata()[-1] == 1.0
    assert own.get_ydata()[-1] == pytest.approx(1 / 3)


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


def test_values_outside_of_the_space_still_have_a_place() -> None:
    record = small_search()
    record["trials"][0]["values"] |= {
        "student.training.batch_size": 64,
        "student.kind": "another",
        "student.pruning.keep_channels": "all",
    }
    _, axes = drawn(parallel_plot(read_record(record)))
    [own] = [line for line in axes.lines if line.get_color() == COLORS.default]
    heights = own.get_ydata()
    assert heights[5] == 1.0 and np.all((heights >= -0.2) & (heights <= 1))
    assert {"another", "all"} <= {text.get_text() for text in axes.texts}


@pytest.mark.parametrize(
    "record", [only(small_search(), 4, best=4), small_search(space={})]
)
def test_one_trial_or_no_space_is_no_parallel_plot(record: dict[str, Any]) -> None:
    assert parallel_plot(read_record(record)) is None


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_pictures_are_on_the_paper_of_the_theme(theme: Any) -> None:
    for plot in search_plots(read_record(small_search())):
        picture = Image.open(io.BytesIO(plot.png(theme))).convert("RGB")
        paper = (255, 255, 255) if theme is LIGHT else (0x17, 0x1B, 0x1F)
        assert picture.getpixel((0, 0)) == picture.getpixel((5, 300)) == paper


def test_formulas_and_long_names_are_shown_as_text() -> None:
    record = small_search()
    name = r"student.$\frac{$" + "very_long_" * 20
    record["space"][name] = {"choice": [r"$\frac{$ " + "long " * 40, "short"]}
    record["importance"] = {name: 0.9}
    for trial in record["trials"]:
        trial["values"][name] = r"$\frac{$ " + "long " * 40
    for plot in search_plots(read_record(record)):
        assert plot.png(LIGHT).startswith(b"\x89PNG")
