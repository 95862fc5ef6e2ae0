import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from segshrink.records.measurement import Role
from segshrink.reporting.plots.bars import class_iou_plot, cost_plot
from segshrink.reporting.plots.precision_recall import precision_recall_plot
from segshrink.reporting.plots.quality_latency import quality_latency_plot
from segshrink.reporting.plots.theme import DARK, LIGHT, marks_of
from segshrink.reporting.plots.training import training_plot
from segshrink.reporting.report import number_plots
from segshrink.reporting.run_records import History, RunRecords, read_run

from ..run_folder import FILES, build_run_folder, measurement_record


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RunRecords:
    return read_run(
        build_run_folder(tmp_path_factory.mktemp("plots") / "RUN", samples=0)
    )


def test_scatter_points_lie_at_the_measured_numbers(records: RunRecords) -> None:
    plot = quality_latency_plot(records)
    assert plot is not None
    [axes] = plot.draw(LIGHT).axes
    drawn = [line for line in axes.lines if len(line.get_xdata())]
    markers = [line for line in drawn if line.get_marker() in ("o", "s")]
    drawn = {(line.get_xdata()[0], round(line.get_ydata()[0], 6)) for line in markers}
    assert drawn == {(file[7], round(100 * file[8], 6)) for file in FILES.values()}
    assert axes.get_xscale() == "log"


def test_scatter_names_do_not_overlap_and_the_legend_explains_them(
    records: RunRecords,
) -> None:
    plot = quality_latency_plot(records)
    assert plot is not None
    figure = plot.draw(LIGHT)
    figure.draw_without_rendering()
    [axes] = figure.axes
    assert [text.get_text() for text in axes.texts] == list("1234567")
    extents = [Text.get_window_extent(text) for text in axes.texts]
    for place, one in enumerate(extents):
        assert not any(one.overlaps(other) for other in extents[:place])
        assert axes.get_window_extent().containsx(one.x1)
    [legend] = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[5] == "6: student-int8, 213 kB, LiteRT"
    assert labels[6] == "7: student-onnx, 1.2 MB, ONNX Runtime"


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


def test_nothing_to_show_is_no_plot(
    run_folder: Callable[..., Path],
) -> None:
    bare = measurement_record("teacher", size=None, latency=None, quality=None)
    records = read_run(run_folder(records={"teacher": bare}, samples=0))
    assert [plot.stem for plot in number_plots(records)] == ["training"]
    assert training_plot(replace(records, histories={})) is None


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_pictures_are_sharp_and_reproducible(
    records: RunRecords, theme: object
) -> None:
    plot = cost_plot(records)
    assert plot is not None
    data = plot.png(theme)  # type: ignore[arg-type]
    assert data == plot.png(theme)  # type: ignore[arg-type]
    picture = Image.open(io.BytesIO(data))
    assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)
    paper = picture.convert("RGB").getpixel((0, 0))
    assert paper == ((255, 255, 255) if theme is LIGHT else (0x17, 0x1B, 0x1F))


def test_a_formula_in_a_name_is_shown_as_text(run_folder: Callable[..., Path]) -> None:
    record = measurement_record("student-int8")
    record["name"] = r"$\frac{$"
    for each in record["quality"]["classes"]:
        each["name"] = f"${each['name']}^{{$"
    record["quality"]["curves"] = {
        f"${name}^{{$": curve for name, curve in record["quality"]["curves"].items()
    }
    records = read_run(run_folder(records={"student-int8": record}, samples=0))
    for plot in number_plots(records):
        assert plot.png(LIGHT).startswith(b"\x89PNG")


def test_roles_have_their_own_colours(records: RunRecords) -> None:
    marks = marks_of(records.measurements, LIGHT)
    assert marks["teacher"].color == LIGHT.families[Role.TEACHER][0]
    assert marks["student-int8"].color == LIGHT.families[Role.STUDENT][0]
    assert len({mark.color for mark in marks.values()}) == len(marks)
    assert marks["teacher"].marker != marks["teacher-onnx"].marker


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
