from dataclasses import replace

import pytest

from segshrink.records.measurement import Role
from segshrink.reporting.plots.theme import LIGHT
from segshrink.reporting.plots.training import training_plot
from segshrink.reporting.run_records import History, RunRecords, read_run

from ..run_folder import build_run_folder


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RunRecords:
    return read_run(
        build_run_folder(tmp_path_factory.mktemp("plots") / "RUN", samples=0)
    )


def test_training_marks_the_best_epoch(records: RunRecords) -> None:
    plot = training_plot(records)
    assert plot is not None
    _, qualities = plot.draw(LIGHT).axes
    epochs, mious = records.histories["teacher"].points("val_miou")
    best = max(mious)
    dot = next(line for line in qualities.lines if line.get_marker() == "o")
    assert dot.get_xdata()[0] == epochs[mious.index(best)]
    assert dot.get_ydata()[0] == pytest.approx(100 * best)
    assert f"teacher {100 * best:.1f} % in epoch" in plot.alt


def test_one_epoch_without_validation_still_draws(records: RunRecords) -> None:
    histories = {Role.TEACHER: History((1,), {"loss": (0.5,)})}
    plot = training_plot(replace(records, histories=histories))
    assert plot is not None
    losses, _ = plot.draw(LIGHT).axes
    assert losses.lines[0].get_marker() == "o"
