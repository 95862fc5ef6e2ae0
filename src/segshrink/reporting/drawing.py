"""Plots as PNG on light and on dark paper, into files and into a page."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from segshrink.progress import Progress, SilentProgress
from segshrink.records import atomic_write, write_text
from segshrink.reporting.embedding import data_uri
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.theme import DARK, LIGHT


@dataclass(frozen=True)
class DrawnPlot:
    """A plot with its pictures as the page embeds them."""

    plot: Plot
    light_uri: str
    dark_uri: str


def write_pages(
    folder: Path,
    plots: Sequence[Plot],
    page: Callable[[Sequence[DrawnPlot]], str],
    *,
    samples: Sequence[Plot] = (),
    known: Collection[str],
    progress: Progress | None,
) -> Path:
    """Write `folder/*.png` and `folder/index.html`, the page last.

    Each file is written whole or not at all.

    Args:
        folder: of the report.
        plots: pictures that the page holds, on light and on dark paper.
        page: makes the page from the drawn plots.
        samples: pictures that are only written.
        known: names of the pictures that a report may have, as patterns; those that
            this one does not have are removed, whatever else lies in the folder stays.
        progress: reports every picture.

    Returns:
        Path of the page.
    """
    progress = progress or SilentProgress()
    progress.start("report", len(plots) + len(samples) + 1)
    try:
        drawn = []
        for plot in (*plots, *samples):
            light = plot.png(LIGHT)
            with atomic_write(folder / f"{plot.stem}.png") as partial:
                partial.write_bytes(light)
            if plot not in samples:
                uris = data_uri(light), data_uri(plot.png(DARK))
                drawn.append(DrawnPlot(plot, *uris))
            progress.advance()
        written = {f"{plot.stem}.png" for plot in (*plots, *samples)}
        for path in {path for pattern in known for path in folder.glob(pattern)}:
            if path.name not in written:
                path.unlink()
        path = folder / "index.html"
        write_text(path, page(drawn))
        progress.advance()
    finally:
        progress.finish()
    return path
