"""The objective trial by trial, and the best so far."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from segshrink.records.search import SearchRecord, Trial
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.theme import (
    Theme,
    new_figure,
    style_axes,
    style_legend,
)
from segshrink.reporting.search.headline import counts_text
from segshrink.reporting.search.objective import (
    Objective,
    best_so_far,
    worst_shown,
)
from segshrink.reporting.search.plots.colors import search_colors

_MARGIN = 0.08
_ROOM_FOR_NAME = 0.06
_FEW_TRIALS = 4
_LEAST_OF_LOSS = 0.05
# Height of the strip below the data for trials without a number.
_STRIP = 0.12
_STRIP_CENTER = 0.04


def history_plot(record: SearchRecord) -> Plot | None:
    """Every trial in the order of the search; `None` where there is none."""
    if not record.trials:
        return None
    objective = Objective(record.objective)
    cut = _cut_off(record)
    notes = []
    if best_so_far(record)[0]:
        notes.append("The line is the best so far within the limits.")
    if record.in_state("pruned"):
        notes.append("Trials that were stopped early stand at their last epoch.")
    if cut:
        side = "above" if objective.is_least_best else "below"
        are = "trial lies" if cut == 1 else "trials lie"
        notes.append(f"{cut} {are} {side} the picture, where the triangles point.")
    return Plot(
        stem="history",
        title="Trial by trial",
        alt=_alt(record),
        note=" ".join(notes),
        draw=partial(_draw, record),
    )


def _alt(record: SearchRecord) -> str:
    objective = Objective(record.objective)
    numbers, values = best_so_far(record)
    text = f"{objective.title} of each trial; {', '.join(counts_text(record))}"
    if not numbers:
        return f"{text}; none is within the limits with a result."
    steps = [
        f"{objective.text(value)} in trial {number}"
        for number, value in zip(numbers, values, strict=True)
    ]
    return f"{text}. Best so far: {', '.join(steps)}."


def _shown(record: SearchRecord) -> list[Trial]:
    """Trials with a number, those that were stopped early included."""
    objective = Objective(record.objective)
    trials = [*record.in_state("pruned"), *record.in_state("complete")]
    return [trial for trial in trials if objective.shown(trial) is not None]


def _values(trials: Sequence[Trial], record: SearchRecord) -> list[float]:
    objective = Objective(record.objective)
    values = (objective.shown(trial) for trial in trials)
    return [value for value in values if value is not None]


def _end(record: SearchRecord) -> float | None:
    values = _values(_shown(record), record)
    return worst_shown(values, Objective(record.objective))


def _cut_off(record: SearchRecord) -> int:
    """How many trials are too bad for the picture."""
    end = _end(record)
    if end is None:
        return 0
    objective = Objective(record.objective)
    values = _values(_shown(record), record)
    return sum(objective.is_better(end, value) for value in values)


def _kind(trial: Trial) -> str:
    if trial.state == "pruned":
        return "stopped early"
    if not trial.is_feasible:
        return "over a limit"
    return "recipe's own values" if trial.is_default else "ran to the end"


def _looks(theme: Theme) -> dict[str, dict[str, Any]]:
    """Marker and colour by kind, those in front last."""
    colors = search_colors(theme)
    edge = {"markeredgecolor": theme.paper, "markeredgewidth": 0.7}
    hollow = {"color": "none", "markeredgecolor": colors.stopped}
    return {
        "stopped early": {"marker": "o", **hollow},
        "over a limit": {"marker": "s", "color": colors.over, **edge},
        "ran to the end": {"marker": "o", "color": colors.trial, **edge},
        "recipe's own values": {"marker": "D", "color": colors.default, **edge},
    }


def _draw(record: SearchRecord, theme: Theme) -> Figure:
    objective = Objective(record.objective)
    figure = new_figure(8.4, 4.4, theme)
    axes = figure.subplots()
    unit = "" if objective.is_least_best else ", %"
    title = f"{objective.title}{unit} by trial"
    style_axes(axes, theme, title=title, x="trial", y=objective.label)
    _set_limits(axes, record)
    for kind, look in _looks(theme).items():
        _draw_kind(axes, kind, look, record)
    _draw_best(axes, record, theme)
    _draw_without_number(axes, record, theme)
    numbers = [trial.number for trial in record.trials]
    if len(numbers) <= _FEW_TRIALS:
        axes.set_xticks(numbers)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        legend = figure.legend(
            handles, labels, loc="outside lower center", ncols=min(len(labels), 4)
        )
        style_legend(legend, theme)
    return figure


def _set_limits(axes: Any, record: SearchRecord) -> None:
    last = max(trial.number for trial in record.trials)
    first = min(trial.number for trial in record.trials)
    beside = max(0.6, 0.02 * (last - first))
    axes.set_xlim(first - beside, last + beside)
    values, end = _values(_shown(record), record), _end(record)
    if end is not None:
        objective = Objective(record.objective)
        values = [v for v in values if not objective.is_better(end, v)] + [end]
    if not values:
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        return
    low, high = min(values), max(values)
    # Never so near that noise looks like a difference.
    least = _LEAST_OF_LOSS * abs(high) if record.objective == "val_loss" else 4.0
    widening = max(least - (high - low), 0.0) / 2
    low, high = low - widening, high + widening
    span = (high - low) or 1.0
    below = _MARGIN + (_STRIP if _without_number(record) else 0)
    above = _MARGIN + _ROOM_FOR_NAME
    axes.set_ylim(low - below * span, high + above * span)


def _draw_kind(
    axes: Any, kind: str, look: dict[str, Any], record: SearchRecord
) -> None:
    """Trials of one kind; those beyond the end of the axis as triangles at the end."""
    objective, end = Objective(record.objective), _end(record)
    trials = [trial for trial in _shown(record) if _kind(trial) == kind]
    points = [
        (trial.number, value)
        for trial, value in zip(trials, _values(trials, record), strict=True)
    ]
    inside = [p for p in points if end is None or not objective.is_better(end, p[1])]
    beyond = [p for p in points if p not in inside]
    look = {"linestyle": "", "markersize": _marker_size(record), "zorder": 3, **look}
    label = kind if points else None
    axes.plot([n for n, _ in inside], [v for _, v in inside], label=label, **look)
    look["marker"] = "^" if objective.is_least_best else "v"
    axes.plot([n for n, _ in beyond], [end] * len(beyond), **look)


def _marker_size(record: SearchRecord) -> float:
    count = len(record.trials)
    return 7.0 if count <= 60 else 5.5 if count <= 120 else 4.5


def _draw_best(axes: Any, record: SearchRecord, theme: Theme) -> None:
    numbers, values = best_so_far(record)
    if not numbers:
        return
    objective, color = Objective(record.objective), search_colors(theme).chosen
    best = record.best_trial
    # Of trials that are equally good the record says which one is taken.
    is_tie = best is not None and objective.of(best) == values[-1]
    number = best.number if best and is_tie else numbers[-1]
    last = max(trial.number for trial in record.trials)
    axes.step(
        [*numbers, last],
        [*values, values[-1]],
        where="post",
        color=color,
        linewidth=1.6,
        zorder=2,
        label="best so far",
    )
    axes.plot(
        number,
        values[-1],
        "o",
        color="none",
        markeredgecolor=color,
        markeredgewidth=1.8,
        markersize=_marker_size(record) + 6,
        zorder=4,
    )
    left, right = axes.get_xlim()
    is_right = number > (left + right) / 2
    unit = "" if objective.is_least_best else " %"
    axes.annotate(
        f"trial {number}: {objective.text(values[-1])}{unit}",
        (number, values[-1]),
        xytext=(8 if not is_right else -8, -9 if objective.is_least_best else 9),
        textcoords="offset points",
        ha="right" if is_right else "left",
        va="top" if objective.is_least_best else "bottom",
        fontsize=8.5,
        color=theme.ink,
        zorder=5,
    )


def _without_number(record: SearchRecord) -> list[Trial]:
    return [*record.in_state("skipped"), *record.in_state("failed")]


def _draw_without_number(axes: Any, record: SearchRecord, theme: Theme) -> None:
    """Skipped and failed trials on the axis, since they have no number."""
    size = _marker_size(record)
    kinds = (
        ("skipped untrained", record.in_state("skipped"), "|", theme.faint),
        ("failed", record.in_state("failed"), "x", theme.ink),
    )
    for label, trials, marker, color in kinds:
        if trials:
            axes.plot(
                [trial.number for trial in trials],
                [_STRIP_CENTER] * len(trials),
                linestyle="",
                marker=marker,
                markersize=size,
                markeredgewidth=1.4,
                color=color,
                label=label,
                transform=axes.get_xaxis_transform(),
                clip_on=False,
            )
