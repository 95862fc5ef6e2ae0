"""Plots as PNG on light and on dark paper, into files and into a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segshrink.records import atomic_write
from segshrink.reporting.embedding import png_uri
from segshrink.reporting.plots import DARK, LIGHT, Plot, png_bytes


@dataclass(frozen=True)
class DrawnPlot:
    """A plot with its PNG on light and on dark paper."""

    plot: Plot
    light: bytes
    dark: bytes


def write_plot(plot: Plot, folder: Path) -> DrawnPlot:
    """Draw a plot, and write the light one as `folder/STEM.png`."""
    drawn = DrawnPlot(plot, png_bytes(plot.draw(LIGHT)), png_bytes(plot.draw(DARK)))
    write_png(folder / f"{plot.stem}.png", drawn.light)
    return drawn


def write_png(path: Path, data: bytes) -> None:
    """Write a picture, whole or not at all."""
    with atomic_write(path) as partial:
        partial.write_bytes(data)


def plot_content(plots: Sequence[DrawnPlot]) -> list[dict[str, str]]:
    """What the template of plots shows of each."""
    return [
        {
            "title": drawn.plot.title,
            "alt": drawn.plot.alt,
            "note": drawn.plot.note,
            "light": png_uri(drawn.light),
            "dark": png_uri(drawn.dark),
        }
        for drawn in plots
    ]
