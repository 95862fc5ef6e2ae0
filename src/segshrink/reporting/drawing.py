"""Plots as PNG into files, and as SVG on light and on dark paper into a page."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from segshrink.progress import Progress, SilentProgress
from segshrink.records import atomic_write, write_text
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.theme import DARK, LIGHT


@dataclass(frozen=True)
class DrawnPlot:
    """A plot as the page holds it.

    `pictures` are classes of the style sheet, which shows one of them at a time, and
    the SVG element of each.
    """

    plot: Plot
    pictures: tuple[tuple[str, Markup], ...]


def drawn_plot(plot: Plot) -> DrawnPlot:
    """The plot on light and dark paper, and where it fits also on narrow paper."""
    width = "wide" if plot.fits_narrow else "any"
    themes = {f"{theme.name} {width}": theme for theme in (LIGHT, DARK)}
    if plot.fits_narrow:
        themes |= {f"{x.name} narrow": x.narrow() for x in (LIGHT, DARK)}
    # What the figures say is escaped by the writer of their XML.
    pictures = ((name, Markup(plot.svg(theme))) for name, theme in themes.items())
    return DrawnPlot(plot, tuple(pictures))


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
            with atomic_write(folder / f"{plot.stem}.png") as partial:
                partial.write_bytes(plot.png(LIGHT))
            if plot not in samples:
                drawn.append(drawn_plot(plot))
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
