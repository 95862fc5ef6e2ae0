import numpy as np
import pytest

from segshrink.reporting.plots.theme import LIGHT
from segshrink.reporting.search.plots.parallel import parallel_plot
from segshrink.reporting.search.plots.trials import TrialColors

from ..search_folder import (
    read_record,
    small_search,
)
from .drawn_plot import drawn

COLORS = TrialColors(LIGHT)


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


def test_parallel_has_the_least_loss_at_the_head() -> None:
    record = small_search(objective="val_loss", best=4)
    for number, loss in ((0, 0.8), (1, 0.9), (2, 0.7), (4, 0.6)):
        record["trials"][number]["val_loss"] = loss
    _, axes = drawn(parallel_plot(read_record(record)))
    [best] = [line for line in axes.lines if line.get_color() == COLORS.chosen]
    [own] = [line for line in axes.lines if line.get_color() == COLORS.default]
    assert best.get_ydata()[-1] == 1.0
    assert own.get_ydata()[-1] == pytest.approx(1 / 3)


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
