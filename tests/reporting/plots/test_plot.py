import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from segshrink.reporting.plots.bars import cost_plot
from segshrink.reporting.plots.theme import DARK, LIGHT
from segshrink.reporting.plots.training import training_plot
from segshrink.reporting.report import number_plots
from segshrink.reporting.run_records import RunRecords, read_run

from ..run_folder import build_run_folder, measurement_record


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RunRecords:
    return read_run(
        build_run_folder(tmp_path_factory.mktemp("plots") / "RUN", samples=0)
    )


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
