"""Parallel coordinates: which values go with which objective."""

import textwrap
from collections.abc import Sequence
from functools import partial
from typing import Any

from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from segshrink.records.search import SearchRecord, Trial
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.theme import (
    Theme,
    new_figure,
    plain,
    style_axes,
    style_legend,
)
from segshrink.reporting.search.naming import short_names, shortened
from segshrink.reporting.search.objective import Objective, counted
from segshrink.reporting.search.plots.axes_of_fields import (
    FieldAxis,
    field_axis,
    objective_axis,
)
from segshrink.reporting.search.plots.colors import search_colors

_FEWEST_TRIALS = 2
_MOST_FIELDS = 9
_NOT_USED = -0.16
_LINE_WIDTH = 1.4
_MANY_TRIALS = 60
_TITLE_WIDTH = 14
_LABEL_WIDTH = 15
_LONGEST_LABEL = 28


def parallel_plot(record: SearchRecord) -> Plot | None:
    """A line a trial across all searched fields to its objective.

    `None` with fewer than two trials that ran to the end, or without a space.
    """
    trials = counted(record)
    if len(trials) < _FEWEST_TRIALS or not record.space:
        return None
    places = _places(record)
    note = (
        "Each line is a trial that ran to the end, the stronger its colour the better "
        "it is."
    )
    if record.importance:
        note += " What mattered most stands on the left."
    if len(places) < len(record.space):
        note += f" Shown are {len(places)} of {len(record.space)} fields."
    if any(place not in trial.values for trial in trials for place in places):
        note += " Fields that a trial does not use are crossed at the foot."
    return Plot(
        stem="parallel",
        title="Values and what came of them",
        alt=_alt(record, places),
        note=note,
        draw=partial(_draw, record, places, trials),
    )


def _places(record: SearchRecord) -> list[str]:
    weight = record.importance.get
    return sorted(record.space, key=lambda place: -weight(place, 0.0))[:_MOST_FIELDS]


def _alt(record: SearchRecord, places: Sequence[str]) -> str:
    objective = Objective(record.objective)
    names = short_names(record.space)
    fields = ", ".join(names[place] for place in places)
    text = (
        f"Lines of {len(counted(record))} trials across {fields} and {objective.title}"
    )
    return f"{text}; the values of the best stand in the table above."


def _draw(
    record: SearchRecord, places: Sequence[str], trials: Sequence[Trial], theme: Theme
) -> Figure:
    names = short_names(record.space)
    fields = [
        field_axis(place, names[place], record.space[place], trials) for place in places
    ]
    columns = [*fields, objective_axis(record)]
    figure = new_figure(max(8.4, 1.2 * len(columns)), 4.6, theme)
    axes = figure.subplots()
    style_axes(axes, theme, title="")
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    unused = [_is_unused(column, trials) for column in columns]
    axes.set_xlim(-0.15, len(columns) - 1 + 0.55)
    axes.set_ylim(_NOT_USED - 0.06 if any(unused) else -0.05, 1.05)
    _draw_trials(axes, record, columns, trials, theme)
    for place, column in enumerate(columns):
        _draw_axis(axes, place, column, unused[place], theme)
    _draw_legend(figure, record, trials, theme)
    return figure


def _is_unused(column: FieldAxis, trials: Sequence[Trial]) -> bool:
    return any(column.height(trial) is None for trial in trials)


def _heights(columns: Sequence[FieldAxis], trial: Trial) -> list[float]:
    heights = (column.height(trial) for column in columns)
    return [_NOT_USED if height is None else height for height in heights]


def _draw_trials(
    axes: Any,
    record: SearchRecord,
    columns: Sequence[FieldAxis],
    trials: Sequence[Trial],
    theme: Theme,
) -> None:
    """Faint first, then the good above the bad, the chosen above all."""
    chosen = {trial.number for trial in record.chosen}
    lines = [(trial, _heights(columns, trial)) for trial in trials]
    for trial, heights in sorted(lines, key=lambda line: line[1][-1]):
        look = _look(trial, heights[-1], trial.number in chosen, theme)
        if trial.number in chosen and len(chosen) > 1:
            look |= {"linewidth": 1.8, "markersize": 4.5}
        elif look["linewidth"] == _LINE_WIDTH and len(trials) > _MANY_TRIALS:
            look["linewidth"] = _LINE_WIDTH / 2
        axes.plot(range(len(columns)), heights, **look)


def _look(
    trial: Trial, goodness: float, is_chosen: bool, theme: Theme
) -> dict[str, Any]:
    colors = search_colors(theme)
    if is_chosen:
        look = {"linewidth": 3.0, "zorder": 5, "marker": "o", "markersize": 7}
        return {"color": colors.chosen, **look}
    if trial.is_default:
        look = {"linestyle": (0, (4, 2)), "linewidth": 1.8, "zorder": 4}
        return {"color": colors.default, **look}
    if not trial.is_feasible:
        look = {"linewidth": 0.8, "alpha": 0.6, "zorder": 1}
        return {"color": colors.over, "linestyle": ":", **look}
    look = {"linewidth": _LINE_WIDTH, "zorder": 2 + goodness}
    return {"color": _shade(goodness, theme), **look}


def _shade(goodness: float, theme: Theme) -> str:
    colors = search_colors(theme)
    shades = LinearSegmentedColormap.from_list("", [colors.weakest, colors.trial])
    return to_hex(shades(goodness))


def _draw_axis(
    axes: Any, place: int, column: FieldAxis, has_unused: bool, theme: Theme
) -> None:
    axes.plot([place, place], [0, 1], color=theme.faint, linewidth=1.0, zorder=3)
    ticks = [(height, label) for height, label in column.ticks]
    if has_unused:
        ticks.append((_NOT_USED, "not used"))
    for height, label in ticks:
        axes.plot([place, place + 0.03], [height] * 2, color=theme.faint, zorder=3)
        axes.text(
            place + 0.06,
            height,
            plain(_wrapped(label, _LABEL_WIDTH)),
            va="center",
            fontsize=7.5,
            color=theme.ink,
            zorder=7,
            linespacing=0.95,
            path_effects=[withStroke(linewidth=2.5, foreground=theme.paper)],
        )
    title = f"{column.title}\n(log)" if column.is_log else column.title
    axes.text(
        place,
        1.07,
        plain("\n".join(_wrapped(line, _TITLE_WIDTH) for line in title.split("\n"))),
        ha="center",
        va="bottom",
        fontsize=8,
        color=theme.ink,
    )


def _wrapped(text: str, width: int) -> str:
    """Lines of about so many characters, broken at spaces, dots and underscores."""
    breakable = shortened(text, _LONGEST_LABEL)
    for sign in "._":
        breakable = breakable.replace(sign, f"{sign}\x00")
    parts = breakable.replace(" ", " \x00").split("\x00")
    lines = [""]
    for part in parts:
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    pieces = [textwrap.wrap(line.rstrip(), width) or [""] for line in lines]
    return "\n".join(piece for line in pieces for piece in line)


def _draw_legend(
    figure: Figure, record: SearchRecord, trials: Sequence[Trial], theme: Theme
) -> None:
    chosen = [trial.number for trial in record.chosen]
    others = [trial for trial in trials if trial.number not in chosen]
    best = "front" if record.objective == "front" else f"best (trial {record.best})"
    kinds = [
        (best, [trial for trial in trials if trial.number in chosen]),
        ("recipe's own values", [t for t in others if t.is_default]),
        ("over a limit", [t for t in others if not (t.is_feasible or t.is_default)]),
    ]
    entries = [
        (label, _look(alike[0], 1.0, label == best, theme))
        for label, alike in kinds
        if alike
    ]
    if entries:
        legend = figure.legend(
            [Line2D([], [], **look) for _, look in entries],
            [label for label, _ in entries],
            loc="outside lower center",
            ncols=len(entries),
        )
        style_legend(legend, theme)
