from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segshrink.reporting.plots.precision_recall import precision_recall_plot
from segshrink.reporting.plots.theme import LIGHT
from segshrink.reporting.run_records import RunRecords, read_run

from ..run_folder import build_run_folder, measurement_record


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RunRecords:
    return read_run(
        build_run_folder(tmp_path_factory.mktemp("plots") / "RUN", samples=0)
    )


def test_curves_are_the_recorded_points(records: RunRecords) -> None:
    plot = precision_recall_plot(records)
    assert plot is not None
    panels = [axes for axes in plot.draw(LIGHT).axes if axes.get_visible()]
    assert len(panels) == 5
    student = next(
        line for line in panels[2].lines if line.get_label().startswith("student")
    )
    recorded = measurement_record("student-int8")["quality"]["curves"]["Road"]
    np.testing.assert_allclose(student.get_xdata(), recorded["recall"])
    np.testing.assert_allclose(student.get_ydata(), recorded["precision"])


def test_of_many_classes_the_largest_are_shown(run_folder: Callable[..., Path]) -> None:
    record = measurement_record("student-int8")
    example = record["quality"]["classes"][0]
    curve = record["quality"]["curves"]["Building"]
    record["quality"]["classes"] = [
        example | {"name": f"class {number}", "pixels": number} for number in range(20)
    ]
    record["quality"]["curves"] = {f"class {number}": curve for number in range(20)}
    plot = precision_recall_plot(
        read_run(run_folder(records={"student-int8": record}, samples=0))
    )
    assert plot is not None
    titles = [axes.get_title(loc="left") for axes in plot.draw(LIGHT).axes]
    assert titles == [f"class {number}" for number in range(8, 20)]
    assert "12 classes of 20" in plot.note
