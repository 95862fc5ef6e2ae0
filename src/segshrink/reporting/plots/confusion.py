"""Confusion matrix of the classes, as a picture."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from segshrink.records.measurement import Role
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.theme import Theme

_FEWEST_INCHES = 3.2
_INCHES_PER_CLASS = 0.62


def confusion_plot(counts: Sequence[Sequence[int]], names: Sequence[str]) -> Plot:
    """A grid of the shares of each true class that were predicted as each class.

    Args:
        counts: pixels by true class, then by predicted class.
        names: names of the classes.
    """
    return Plot(
        stem="confusion",
        title="Confusion",
        alt=f"Share of each true class predicted as each of {', '.join(names)}.",
        figure=partial(_draw, np.asarray(counts, float), names),
    )


def _draw(pixels: np.ndarray, names: Sequence[str], theme: Theme) -> Figure:
    with np.errstate(invalid="ignore"):
        shares = 100 * pixels / pixels.sum(axis=1, keepdims=True)
    side = max(_FEWEST_INCHES, _INCHES_PER_CLASS * len(names) + 1.6)
    figure = Figure((side + 0.6, side))
    axes = figure.subplots()
    axes.set(
        title="Share of each true class, %",
        xlabel="predicted class",
        ylabel="true class",
    )
    axes.grid(False)
    shades = LinearSegmentedColormap.from_list(
        "shares", [theme.paper, theme.families[Role.TEACHER][0]]
    )
    axes.imshow(np.nan_to_num(shares), cmap=shades, vmin=0, vmax=100, aspect="equal")
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
    axes.set_yticks(range(len(names)), names)
    for row, column in np.ndindex(shares.shape):
        share = shares[row, column]
        text = "–" if np.isnan(share) else f"{share:.0f}"
        color = theme.paper if np.nan_to_num(share) > 55 else theme.ink
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=9)
    return figure
