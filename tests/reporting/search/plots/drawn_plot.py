from typing import Any

from matplotlib.figure import Figure
from matplotlib.text import Text

from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.theme import LIGHT


def drawn(plot: Plot | None) -> tuple[Figure, Any]:
    assert plot is not None
    figure = plot.draw(LIGHT)
    [axes] = figure.axes
    return figure, axes


def points(axes: Any, marker: str) -> dict[str, list[tuple[float, float]]]:
    """Places of the points with a marker, by their label."""
    return {
        line.get_label(): [
            (float(x), round(float(y), 6))
            for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
        ]
        for line in axes.lines
        if line.get_marker() == marker and len(line.get_xdata())
    }


def labelled(axes: Any, label: str) -> Any:
    [line] = [line for line in axes.lines if line.get_label() == label]
    return line


def texts_overlap(figure: Figure, axes: Any) -> bool:
    figure.draw_without_rendering()
    texts = [text for text in axes.texts if text.get_text()]
    extents = [Text.get_window_extent(text) for text in texts]
    return any(
        one.overlaps(other)
        for place, one in enumerate(extents)
        for other in extents[:place]
    )
