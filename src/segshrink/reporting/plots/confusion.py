"""Which class is taken for which."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure

from segshrink.records.measurement import Role
from segshrink.reporting.plots.theme import Theme, new_figure, plain, style_axes

_FEWEST_INCHES = 3.2
_INCHES_A_CLASS = 0.62


def confusion_figure(
    counts: Sequence[Sequence[int]], names: Sequence[str], theme: Theme
) -> Figure:
    """A grid of the shares of each true class that were predicted as each class.

    Args:
        counts: pixels by true class, then by predicted class.
        names: names of the classes.
        theme: colours.
    """
    pixels = np.asarray(counts, float)
    with np.errstate(invalid="ignore"):
        shares = 100 * pixels / pixels.sum(axis=1, keepdims=True)
    side = max(_FEWEST_INCHES, _INCHES_A_CLASS * len(names) + 1.6)
    figure = new_figure(side + 0.6, side, theme)
    axes = figure.subplots()
    style_axes(
        axes,
        theme,
        title="Share of each true class, %",
        x="predicted class",
        y="true class",
    )
    axes.grid(False)
    axes.imshow(
        np.nan_to_num(shares), cmap=_shades(theme), vmin=0, vmax=100, aspect="equal"
    )
    shown = [plain(name) for name in names]
    axes.set_xticks(range(len(names)), shown, rotation=35, ha="right")
    axes.set_yticks(range(len(names)), shown)
    for row, column in np.ndindex(shares.shape):
        share = shares[row, column]
        text = "–" if np.isnan(share) else f"{share:.0f}"
        color = theme.paper if np.nan_to_num(share) > 55 else theme.ink
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=9)
    return figure


def _shades(theme: Theme) -> Colormap:
    strongest = theme.families[Role.TEACHER][0]
    return LinearSegmentedColormap.from_list("shares", [theme.paper, strongest])
