import numpy as np
import pytest

from segshrink.reporting.plots.bars import class_iou_plot, cost_plot
from segshrink.reporting.plots.theme import LIGHT
from segshrink.reporting.run_records import RunRecords, read_run

from ..run_folder import FILES, build_run_folder


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RunRecords:
    return read_run(
        build_run_folder(tmp_path_factory.mktemp("plots") / "RUN", samples=0)
    )


def test_bars_are_as_long_as_the_iou(records: RunRecords) -> None:
    plot = class_iou_plot(records)
    assert plot is not None
    [axes] = plot.draw(LIGHT).axes
    lengths = {
        bars.get_label(): [bar.get_width() for bar in bars] for bars in axes.containers
    }
    assert set(lengths) == {
        "teacher",
        "masked (masks only)",
        "alone (no teacher)",
        "student-float",
        "student-int8",
    }
    offsets = np.array([0.02, 0.06, -0.11, 0.08, -0.05])
    np.testing.assert_allclose(
        lengths["student-int8"], 100 * (FILES["student-int8"][8] + offsets)
    )
    assert "undefined" in [text.get_text() for text in axes.texts]


def test_cost_bars_tell_size_and_latency_with_ratios(records: RunRecords) -> None:
    plot = cost_plot(records)
    assert plot is not None
    sizes, latencies = plot.draw(LIGHT).axes
    names = [each.name for each in records.measurements]
    assert [bar.get_width() for bar in sizes.patches] == [
        FILES[name][4] for name in names
    ]
    assert [bar.get_width() for bar in latencies.patches] == [
        FILES[name][7] for name in names
    ]
    place = names.index("student-int8")
    assert sizes.texts[place].get_text() == "213 kB (33.7×)"
    assert latencies.texts[place].get_text() == "14.6 ms (8.11×)"
