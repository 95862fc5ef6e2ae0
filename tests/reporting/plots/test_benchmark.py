import io
from itertools import combinations
from typing import Any

import pytest
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from segshrink.records.benchmark import Benchmark
from segshrink.reporting.plots.benchmark import benchmark_plot
from segshrink.reporting.plots.theme import DARK, LIGHT

# Name, runtime, bytes, milliseconds with one thread, mIoU.
FILES = (
    ("teacher-unet-filters16-levels4-float32-of-the-held-out-split.tflite", "litert",
     7_790_000, 118.0, 0.741),
    ("teacher-unet-filters16-levels4-float32.onnx", "onnx", 7_810_000, 96.0, 0.741),
    ("student-int8.tflite", "litert", 216_000, 14.6, 0.735),
    ("student-pruned-taylor-0.5-distilled-channelwise-float.tflite", "litert",
     760_000, 31.0, 0.738),
    ("student-pruned-taylor-0.5-distilled-channelwise-float.onnx", "onnx", 772_000,
     29.0, 0.738),
    ("student-pruned-taylor-0.5-distilled-channelwise-float.xml", "openvino", 781_000,
     24.0, 0.738),
    ("student-pruned-taylor-0.5-distilled-int8-of-512-tiles.tflite", "litert", 212_000,
     15.2, 0.733),
    ("masked-75-percent.keras", "keras", 23_500_000, 141.0, 0.702),
)  # fmt: skip


def timing(ms: float, threads: int) -> dict[str, Any]:
    return {
        "median_ms": ms / threads, "p25_ms": 0.95 * ms / threads,
        "p75_ms": 1.1 * ms / threads, "threads": threads,
    }  # fmt: skip


def record(
    count: int, *, threads: tuple[int, ...] = (1,), quality: bool = True
) -> dict[str, Any]:
    """What a benchmark of the first files gives."""
    entries = [
        {
            "file": name,
            "runtime": runtime,
            "size": {"size_bytes": size_bytes, "gzipped_bytes": size_bytes},
            "quality": {"part": "test", "mean_iou": miou} if quality else None,
            "latency": [timing(ms, each) for each in threads],
        }
        for name, runtime, size_bytes, ms, miou in FILES[:count]
    ]
    return {
        "peak_macs_per_second": {str(each): 1e10 for each in threads},
        "data": {"name": "Stadt"} if quality else None,
        "files": entries,
    }


def figure_of(found: dict[str, Any]) -> Figure:
    return benchmark_plot(Benchmark.parse(found, where="benchmark")).draw(LIGHT)


def points_of(axes: Any) -> list[Any]:
    drawn = [line for line in axes.lines if len(line.get_xdata())]
    return [line for line in drawn if line.get_marker() == "o"]


def laid_out(figure: Figure) -> Figure:
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("threads", [(1,), (1, 2)])
def test_points_lie_at_the_measured_numbers(threads: tuple[int, ...]) -> None:
    figure = figure_of(record(8, threads=threads))
    assert len(figure.axes) == len(threads)
    for axes, count in zip(figure.axes, threads, strict=True):
        assert axes.get_xscale() == "log"
        drawn = [(line.get_xdata()[0], line.get_ydata()[0]) for line in points_of(axes)]
        assert drawn == [
            (ms / count, pytest.approx(100 * miou)) for *_, ms, miou in FILES
        ]
        shown = "1 thread" if count == 1 else f"{count} threads"
        assert f"{shown}; test of Stadt" in axes.get_title(loc="left")


def test_areas_are_the_sizes_of_the_files() -> None:
    [axes] = figure_of(record(4)).axes
    areas = [line.get_markersize() ** 2 for line in points_of(axes)]
    largest = max(file[2] for file in FILES[:4])
    for area, file in zip(areas, FILES, strict=False):
        if file[2] > largest / 20:
            assert area / max(areas) == pytest.approx(file[2] / largest)
    # The smallest is 36 times smaller, and would hardly be seen.
    assert max(areas) / 25 < min(areas) < max(areas) / 20


@pytest.mark.parametrize("count", [1, 3, 8])
def test_names_overlap_neither_each_other_nor_points(count: int) -> None:
    figure = laid_out(figure_of(record(count, threads=(1, 2))))
    for axes in figure.axes:
        extents = [Text.get_window_extent(text) for text in axes.texts]
        assert len(extents) == count
        assert not any(one.overlaps(other) for one, other in combinations(extents, 2))
        area = axes.get_window_extent()
        assert all(area.x0 <= each.x0 and each.x1 <= area.x1 for each in extents)
        for line in points_of(axes):
            x, y = axes.transData.transform((line.get_xdata()[0], line.get_ydata()[0]))
            assert not any(each.contains(x, y) for each in extents)
    [legend] = figure.legends
    frame = legend.get_window_extent()
    assert figure.bbox.x0 <= frame.x0 and frame.x1 <= figure.bbox.x1
    assert figure.bbox.y0 <= frame.y0 < figure.axes[-1].get_window_extent().y0


def test_the_legend_tells_name_and_size_and_long_names_lose_their_middle() -> None:
    figure = figure_of(record(3))
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "1: teacher-unet-filters…ld-out-split.tflite, 7.8 MB, LiteRT",
        "2: teacher-unet-filters…evels4-float32.onnx, 7.8 MB, ONNX Runtime",
        "3: student-int8.tflite, 216 kB, LiteRT",
    ]
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "2", "3"]


def test_other_threads_than_asked_for_are_told() -> None:
    found = record(2)
    found["files"][1]["latency"][0]["threads"] = 2
    for quality in (True, False):
        if not quality:
            for entry in found["files"]:
                entry["quality"] = None
        [axes] = figure_of(found).axes
        told = [text.get_text().endswith(", 2 threads") for text in axes.texts]
        assert sum(told) == 1


def test_runtimes_differ_in_colour() -> None:
    [axes] = figure_of(record(8)).axes
    by_runtime = {
        file[1]: line.get_color()
        for file, line in zip(FILES, points_of(axes), strict=True)
    }
    assert len(set(by_runtime.values())) == len(by_runtime) == 4


@pytest.mark.parametrize("threads", [(1,), (1, 2, 4)])
def test_bars_are_as_long_as_the_latency(threads: tuple[int, ...]) -> None:
    figure = figure_of(record(3, threads=threads, quality=False))
    [axes] = figure.axes
    found = {
        bars.get_label(): [bar.get_width() for bar in bars]
        for bars in axes.containers
        if isinstance(bars, BarContainer)
    }
    expected = {
        "1 thread" if count == 1 else f"{count} threads": [
            pytest.approx(file[3] / count) for file in FILES[:3]
        ]
        for count in threads
    }
    assert found == expected
    whiskers = {
        tuple(round(float(x), 6) for x in ends[:, 0])
        for bars in axes.containers
        if isinstance(bars, ErrorbarContainer)
        for ends in bars.lines[2][0].get_segments()
    }
    assert whiskers == {
        (round(0.95 * file[3] / count, 6), round(1.1 * file[3] / count, 6))
        for file in FILES[:3]
        for count in threads
    }
    assert ("1 thread" in axes.get_title(loc="left")) == (len(threads) == 1)
    assert len(figure.legends) == (len(threads) > 1)


@pytest.mark.parametrize("count", [1, 3, 8])
def test_texts_of_bars_overlap_nothing(count: int) -> None:
    found = record(count, threads=(1, 2), quality=False)
    figure = laid_out(figure_of(found))
    [axes] = figure.axes
    extents = [text.get_window_extent() for text in axes.texts]
    assert len(extents) == 3 * count
    assert not any(one.overlaps(other) for one, other in combinations(extents, 2))
    bars = [bar.get_window_extent() for bar in axes.patches]
    assert not any(text.overlaps(bar) for text in extents for bar in bars)
    assert all(text.x1 <= axes.get_window_extent().x1 for text in extents)


def test_a_quality_that_is_undefined_leaves_the_bars() -> None:
    found = record(2)
    found["files"][0]["quality"]["mean_iou"] = None
    [axes] = figure_of(found).axes
    assert axes.get_title(loc="left") == "Median latency of one image, 1 thread"


@pytest.mark.parametrize("quality", [True, False])
@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_pictures_are_reproducible_and_bear_formulas(theme: Any, quality: bool) -> None:
    found = record(3, quality=quality)
    found["files"][0]["file"] = r"$\frac{$.tflite"
    if quality:
        found["data"]["name"] = "$^{$"
    plot = benchmark_plot(Benchmark.parse(found, where="benchmark"))
    data = plot.png(theme)
    assert data == plot.png(theme)
    assert Image.open(io.BytesIO(data)).width == 1260
