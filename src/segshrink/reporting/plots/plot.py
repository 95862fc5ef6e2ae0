"""A plot of a report, drawn on light or dark paper."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from segshrink.reporting.plots.inline_svg import inline_svg
from segshrink.reporting.plots.theme import Theme

WIDTH_INCHES = 8.4
_LEGEND_HANDLE_INCHES = 0.6
_LETTER_INCHES = 0.075
_LEGEND_ROW_INCHES = 0.2


@dataclass(frozen=True)
class Plot:
    """A picture of numbers.

    `stem` names its file, `alt` says in words what it shows, `note` is what a reader
    must know to read it right; `figure` builds it for a theme whose style is in force.
    `fits_narrow` is set where it also does on narrow paper.
    """

    stem: str
    title: str
    alt: str
    figure: Callable[[Theme], Figure]
    note: str = ""
    fits_narrow: bool = False

    def draw(self, theme: Theme) -> Figure:
        """The figure in the style of a theme."""
        with theme.style():
            return self.figure(theme)

    def png(self, theme: Theme) -> bytes:
        """The figure as PNG, the same bytes for the same numbers."""
        buffer = io.BytesIO()
        # Matplotlib makes some ticks while saving, so that takes the style too.
        with theme.style():
            figure = self.figure(theme)
            figure.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()

    def svg(self, theme: Theme) -> str:
        """The figure as an element of a page, the same text for the same numbers."""
        buffer = io.StringIO()
        salt = f"{self.stem} {theme.name} {theme.width_inches}"
        with theme.style(), rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
            self.figure(theme).savefig(buffer, format="svg", metadata={"Date": None})
        return inline_svg(buffer.getvalue(), self.alt)


def draw_legend(figure: Figure, more: Sequence[Artist] = ()) -> None:
    """A legend below the axes, for which the figure grows.

    It has one entry for each label in any of the axes and for each of `more`; without
    any the figure stays as it is.
    """
    entries: dict[str, Artist] = {str(each.get_label()): each for each in more}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if not entries:
        return
    width, height = figure.get_size_inches()
    # So many entries surely fit beside each other, by the longest label.
    entry_inches = _LEGEND_HANDLE_INCHES + _LETTER_INCHES * max(map(len, entries))
    columns = max(1, min(len(entries), int(width / entry_inches)))
    rows = -(-len(entries) // columns)
    figure.set_size_inches(width, height + rows * _LEGEND_ROW_INCHES)
    figure.legend(
        list(entries.values()), list(entries), loc="outside lower center", ncols=columns
    )


def limits(
    values: Sequence[float], *, least: float, below: float, above: float
) -> tuple[float, float]:
    """Ends of an axis of these values.

    Args:
        values: at least one.
        least: span below which noise would look like a difference.
        below: room below the least value, as a share of the span.
        above: room above the greatest value.
    """
    low, high = min(values), max(values)
    widening = max(least - (high - low), 0.0) / 2
    span = high - low + 2 * widening
    return low - widening - below * span, high + widening + above * span
