"""Parallel coordinates: which values go with which objective."""

import re
from collections.abc import Mapping, Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from segshrink.records.search import SearchRecord, Trial
from segshrink.reporting.plots.plot import WIDTH_INCHES, Plot, draw_legend
from segshrink.reporting.plots.theme import Theme
from segshrink.reporting.search.naming import short_names
from segshrink.reporting.search.objective import Objective, with_result
from segshrink.reporting.search.plots.axes_of_fields import (
    FieldAxis,
    field_axis,
    objective_axis,
)
from segshrink.reporting.search.plots.trials import TrialColors
from segshrink.reporting.units import shortened

_FEWEST_TRIALS = 2
_MOST_FIELDS = 9
_NOT_USED = -0.16
_MANY_TRIALS = 60
_TITLE_WIDTH = 14
_LABEL_WIDTH = 15
_LONGEST_LABEL = 28


def parallel_plot(record: SearchRecord) -> Plot | None:
    """One line per trial across all searched fields to its objective.

    `None` with fewer than two trials that ran to the end, or without a space.
    """
    trials = with_result(record)
    if len(trials) < _FEWEST_TRIALS or not record.space:
        return None
    weight = record.importance.get
    by_weight = sorted(record.space, key=lambda place: -weight(place, 0.0))
    names = short_names(record.space)
    shown = {place: names[place] for place in by_weight[:_MOST_FIELDS]}
    note = (
        "Each line is a trial that ran to the end, the stronger its colour the better "
        "it is."
    )
    if record.importance:
        note += " What mattered most stands on the left."
    if len(shown) < len(record.space):
        note += f" Shown are {len(shown)} of {len(record.space)} fields."
    if any(place not in trial.values for trial in trials for place in shown):
        note += " Fields that a trial does not use are crossed at the foot."
    return Plot(
        stem="parallel",
        title="Values and what came of them",
        alt=f"Lines of {len(trials)} trials across {', '.join(shown.values())} and "
        f"{Objective(record.objective).title}; the values of the best stand in the "
        "table above.",
        note=note,
        figure=partial(_draw, record, shown, trials),
    )


def _draw(
    record: SearchRecord, shown: dict[str, str], trials: Sequence[Trial], theme: Theme
) -> Figure:
    columns = [
        field_axis(place, name, record.space[place], trials)
        for place, name in shown.items()
    ]
    columns.append(objective_axis(record))
    unused = [
        any(column.height(trial) is None for trial in trials) for column in columns
    ]
    figure = Figure((max(WIDTH_INCHES, 1.2 * len(columns)), 4.4))
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(-0.15, len(columns) - 1 + 0.55)
    axes.set_ylim(_NOT_USED - 0.06 if any(unused) else -0.05, 1.05)
    _draw_trials(axes, record, columns, trials, theme)
    for place, column in enumerate(columns):
        _draw_axis(axes, place, column, unused[place], theme)
    draw_legend(figure)
    return figure


def _look(
    trial: Trial, record: SearchRecord, height: float, theme: Theme
) -> Mapping[str, object]:
    """The line of a trial; those with a label stand in the legend."""
    colors = TrialColors(theme)
    if trial in record.chosen:
        is_front = record.objective == "front"
        label = "Pareto front" if is_front else f"best (trial {trial.number})"
        width, size = (1.8, 4.5) if is_front else (3.0, 7.0)
        dot = {"marker": "o", "ms": size, "markeredgecolor": colors.chosen}
        return {"color": colors.chosen, "label": label, "lw": width, "zorder": 5} | dot
    if trial.is_default:
        line = {"color": colors.default, "lw": 1.8, "ls": (0, (4, 2)), "zorder": 4}
        return {"label": "recipe's own values"} | line
    if not trial.is_feasible:
        line = {"color": colors.over, "lw": 0.8, "ls": ":", "alpha": 0.6, "zorder": 1}
        return {"label": "over a limit"} | line
    shades = LinearSegmentedColormap.from_list("", [colors.weakest, colors.trial])
    width = 0.7 if len(with_result(record)) > _MANY_TRIALS else 1.4
    return {"color": to_hex(shades(height)), "lw": width, "zorder": 2 + height}


def _draw_trials(
    axes: Axes,
    record: SearchRecord,
    columns: Sequence[FieldAxis],
    trials: Sequence[Trial],
    theme: Theme,
) -> None:
    """The good above the bad and the chosen above all, by their z-order."""
    lines = []
    for trial in trials:
        known = [column.height(trial) for column in columns]
        lines.append((trial, [_NOT_USED if h is None else h for h in known]))
    # The best first, as the legend takes them in this order.
    for trial, heights in sorted(lines, key=lambda line: -line[1][-1]):
        look = _look(trial, record, heights[-1], theme)
        axes.plot(range(len(columns)), heights, **look)  # type: ignore[arg-type]


def _draw_axis(
    axes: Axes, place: int, column: FieldAxis, has_unused: bool, theme: Theme
) -> None:
    axes.plot([place, place], [0, 1], color=theme.faint, lw=1.0, zorder=3)
    ticks = [*column.ticks, *([(_NOT_USED, "not used")] if has_unused else [])]
    for height, label in ticks:
        axes.plot([place, place + 0.03], [height] * 2, color=theme.faint, zorder=3)
        wrapped = _wrapped(label, _LABEL_WIDTH)
        text = axes.text(place + 0.06, height, wrapped, va="center", fontsize=7.5)
        halo = withStroke(linewidth=2.5, foreground=theme.paper)
        text.set(path_effects=[halo], linespacing=0.95, zorder=7)
    title = "\n".join(_wrapped(ln, _TITLE_WIDTH) for ln in column.title.split("\n"))
    axes.text(place, 1.07, title, ha="center", va="bottom")


def _wrapped(text: str, width: int) -> str:
    """Lines of at most `width` characters, broken after spaces, dots, underscores."""
    lines = re.findall(
        rf".{{1,{width}}}(?:(?<=[ ._])|$)|.{{{width}}}", shortened(text, _LONGEST_LABEL)
    )
    return "\n".join(line.strip() for line in lines)
