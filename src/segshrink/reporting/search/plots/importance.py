"""Importance of each searched field for the objective."""

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure

from segshrink.records.search import SearchRecord
from segshrink.reporting.plots.bars import draw_bars, name_bars
from segshrink.reporting.plots.plot import WIDTH_INCHES, Plot
from segshrink.reporting.plots.theme import Theme
from segshrink.reporting.search.naming import short_names
from segshrink.reporting.search.objective import with_result
from segshrink.reporting.search.plots.trials import TrialColors
from segshrink.reporting.units import shortened

_BAR_INCHES = 0.32
_MOST_BARS = 15
_LONGEST_NAME = 36


def importance_plot(record: SearchRecord) -> Plot | None:
    """One bar per field, the weightiest on top; `None` where nothing is known."""
    names = short_names(record.importance)
    percents = sorted(
        ((names[place], 100 * share) for place, share in record.importance.items()),
        key=lambda each: -each[1],
    )
    if not any(percent for _, percent in percents):
        return None
    shown = percents[:_MOST_BARS]
    note = (
        "Share of each searched field in the differences among trials, estimated from "
        f"{len(with_result(record))} that ran to the end: a hint, the more so the "
        "fewer they are. It does not say which values are good."
    )
    if len(percents) > len(shown):
        note += f" {len(percents) - len(shown)} lesser ones are left out."
    if set(record.space) - set(record.importance):
        note += " Fields that only some trials use are not judged."
    bars = ", ".join(f"{name} {percent:.0f} %" for name, percent in shown)
    return Plot(
        stem="importance",
        title="What mattered",
        alt=f"Share of each searched field in the differences: {bars}.",
        note=note,
        figure=partial(_draw, shown),
    )


def _draw(shown: Sequence[tuple[str, float]], theme: Theme) -> Figure:
    figure = Figure((WIDTH_INCHES, len(shown) * _BAR_INCHES + 0.9))
    axes = figure.subplots()
    axes.set_title("Share in the differences among trials, %")
    percents = [percent for _, percent in shown]
    texts = [f"{each:.0f}" if each >= 0.95 or not each else "< 1" for each in percents]
    color = TrialColors(theme).chosen
    draw_bars(axes, percents, texts, theme, color=color, room=1.1)
    name_bars(axes, [shortened(name, _LONGEST_NAME) for name, _ in shown], theme)
    return figure
