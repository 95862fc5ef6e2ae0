import pytest
from matplotlib.text import Text

from segshrink.reporting.plots.quality_latency import quality_latency_plot
from segshrink.reporting.plots.theme import LIGHT
from segshrink.reporting.run_records import RunRecords, read_run

from ..run_folder import FILES, build_run_folder


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
