import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segshrink.reporting.plots.theme import DARK, LIGHT
from segshrink.reporting.search.plots.history import history_plot
from segshrink.reporting.search.report import search_plots

from ..search_folder import (
    large_search,
    read_record,
    small_search,
)
from .drawn_plot import drawn, points


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
