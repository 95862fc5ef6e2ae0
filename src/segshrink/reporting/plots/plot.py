"""What a report needs to know of a plot."""

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from segshrink.reporting.plots.theme import Theme


@dataclass(frozen=True)
class Plot:
    """A picture of numbers.

    `stem` names its file, `alt` says in words what it shows, `note` is what a reader
    must know to read it right; `draw` makes the figure for a theme.
    """

    stem: str
    title: str
    alt: str
    note: str
    draw: Callable[[Theme], Figure]
