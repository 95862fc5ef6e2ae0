"""How much each searched field had to do with the objective."""

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure

from segshrink.records.search import SearchRecord
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.theme import Theme, new_figure, plain, style_axes
from segshrink.reporting.search.naming import short_names, shortened
from segshrink.reporting.search.objective import counted
from segshrink.reporting.search.plots.colors import search_colors

_BAR_INCHES = 0.32
_MOST_BARS = 15
_LONGEST_NAME = 36


def importance_plot(record: SearchRecord) -> Plot | None:
    """A bar a field, the weightiest on top; `None` where nothing is known of it."""
    names = short_names(record.importance)
    shares = sorted(
        ((names[place], share) for place, share in record.importance.items()),
        key=lambda each: -each[1],
    )
    if not any(share for _, share in shares):
        return None
    shown = shares[:_MOST_BARS]
    note = (
        "Share of each searched field in the differences among trials, estimated from "
        f"{len(counted(record))} that ran to the end: a hint, the more so the fewer "
        "they are. It does not say which values are good."
    )
    if len(shares) > len(shown):
        note += f" {len(shares) - len(shown)} lesser ones are left out."
    if set(record.space) - set(record.importance):
        note += " Fields that only some trials use are not judged."
    bars = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shown)
    return Plot(
        stem="importance",
        title="What mattered",
        alt=f"Share of each searched field in the differences: {bars}.",
        note=note,
        draw=partial(_draw, shown),
    )


def _draw(shown: Sequence[tuple[str, float]], theme: Theme) -> Figure:
    figure = new_figure(8.4, len(shown) * _BAR_INCHES + 0.9, theme)
    axes = figure.subplots()
    style_axes(axes, theme, title="Share in the differences among trials, %")
    color = search_colors(theme).chosen
    percents = [100 * share for _, share in shown]
    axes.barh(range(len(shown)), percents, height=0.62, color=color)
    for place, percent in enumerate(percents):
        text = f"{percent:.0f}" if percent >= 0.95 or not percent else "< 1"
        axes.text(
            percent + max(percents) * 0.012,
            place,
            text,
            va="center",
            fontsize=8,
            color=theme.ink,
        )
    axes.set_xlim(0, max(percents) * 1.1)
    axes.set_xticks([])
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    names = [plain(shortened(name, _LONGEST_NAME)) for name, _ in shown]
    axes.set_yticks(range(len(shown)), names)
    axes.tick_params(axis="y", labelcolor=theme.ink, labelsize=8)
    axes.invert_yaxis()
    return figure
