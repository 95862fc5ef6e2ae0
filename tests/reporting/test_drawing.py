from pathlib import Path

import pytest
from matplotlib.figure import Figure

from segshrink.reporting.drawing import write_pages
from segshrink.reporting.plots.plot import Plot


def a_plot(stem: str) -> Plot:
    return Plot(stem, "title", "alt", lambda _: Figure((1, 1)))


def test_the_page_gets_its_plots_on_both_papers_and_samples_are_only_written(
    tmp_path: Path,
) -> None:
    for name in ("old.png", "sample_07.png", "mine.png"):
        (tmp_path / name).write_bytes(b"of before")
    drawn = []
    page = write_pages(
        tmp_path,
        [a_plot("cost")],
        lambda plots: drawn.extend(plots) or "the page",
        samples=[a_plot("sample_00")],
        known=("old.png", "cost.png", "sample_[0-9][0-9].png"),
        progress=None,
    )
    assert page.read_text() == "the page"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"cost.png", "sample_00.png", "mine.png", "index.html"}
    [cost] = drawn
    assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")
    (_, light), (_, dark) = cost.pictures
    assert light.startswith("<svg") and dark.startswith("<svg") and light != dark


def test_a_failing_page_leaves_the_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("earlier")
    with pytest.raises(ZeroDivisionError):
        write_pages(tmp_path, [], lambda _: str(1 / 0), known=(), progress=None)
    assert (tmp_path / "index.html").read_text() == "earlier"
