"""The objective trial by trial, and the best so far."""

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from segshrink.records.search import SearchRecord, Trial
from segshrink.reporting.plots.plot import WIDTH_INCHES, Plot, draw_legend, limits
from segshrink.reporting.plots.theme import Theme
from segshrink.reporting.search.headline import counts_text
from segshrink.reporting.search.objective import (
    Objective,
    best_so_far,
    worst_shown,
)
from segshrink.reporting.search.plots.trials import Cut, search_colors

_MARGIN = 0.08
_ROOM_FOR_NAME = 0.06
_FEW_TRIALS = 4
_LEAST_OF_LOSS = 0.05
# Shares of the height: the strip for trials without a number, and its middle.
_STRIP = 0.12
_STRIP_CENTER = 0.04

_Shown = Sequence[tuple[Trial, float]]
"""Trials with the number they are shown with."""


def history_plot(record: SearchRecord) -> Plot | None:
    """Every trial in the order of the search; `None` where there is none."""
    if not record.trials:
        return None
    objective = Objective(record.objective)
    shown = [
        (trial, value)
        for trial in (*record.in_state("pruned"), *record.in_state("complete"))
        if (value := objective.shown(trial)) is not None
    ]
    values = [value for _, value in shown]
    cut = Cut(objective, worst_shown(values, objective))
    numbers, bests = best_so_far(record)
    notes = [
        "The line is the best so far within the limits." if numbers else "",
        "Trials that were stopped early stand at their last epoch."
        if record.in_state("pruned")
        else "",
        cut.note(values),
    ]
    steps = [
        f"{objective.text(value)} in trial {number}"
        for number, value in zip(numbers, bests, strict=True)
    ]
    result = (
        f". Best so far: {', '.join(steps)}."
        if steps
        else "; none is within the limits with a result."
    )
    counts = ", ".join(counts_text(record))
    return Plot(
        stem="history",
        title="Trial by trial",
        alt=f"{objective.title} of each trial; {counts}{result}",
        note=" ".join(filter(None, notes)),
        figure=partial(_draw, record, shown, cut),
    )


def _draw(record: SearchRecord, shown: _Shown, cut: Cut, theme: Theme) -> Figure:
    objective = cut.objective
    figure = Figure((WIDTH_INCHES, 4.0))
    axes = figure.subplots()
    unit = "" if objective.is_least_best else ", %"
    axes.set(
        title=f"{objective.title}{unit} by trial",
        xlabel="trial",
        ylabel=objective.label,
    )
    numbers = [trial.number for trial in record.trials]
    beside = max(0.6, 0.02 * (max(numbers) - min(numbers)))
    axes.set_xlim(min(numbers) - beside, max(numbers) + beside)
    _set_heights(axes, record, cut.clipped([value for _, value in shown]))
    if len(numbers) <= _FEW_TRIALS:
        axes.set_xticks(numbers)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    size = 7.0 if len(numbers) <= 60 else 5.5 if len(numbers) <= 120 else 4.5
    _draw_trials(axes, shown, cut, size, theme)
    _draw_best(axes, record, size, theme)
    _draw_without_number(axes, record, size, theme)
    draw_legend(figure)
    return figure


def _set_heights(axes: Axes, record: SearchRecord, values: Sequence[float]) -> None:
    if not values:
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        return
    has_strip = record.in_state("skipped") or record.in_state("failed")
    is_loss = record.objective == "val_loss"
    axes.set_ylim(
        limits(
            values,
            # Such trials have no number and stand in a strip below the others.
            below=_MARGIN + (_STRIP if has_strip else 0),
            above=_MARGIN + _ROOM_FOR_NAME,
            least=_LEAST_OF_LOSS * abs(max(values)) if is_loss else 4.0,
        )
    )


def _kind(trial: Trial) -> str:
    if trial.state == "pruned":
        return "stopped early"
    if not trial.is_feasible:
        return "over a limit"
    return "recipe's own values" if trial.is_default else "ran to the end"


def _draw_trials(
    axes: Axes, shown: _Shown, cut: Cut, size: float, theme: Theme
) -> None:
    """All trials with a number, kind by kind, those in front last."""
    colors = search_colors(theme)
    looks = {
        "stopped early": ("o", "none", colors.stopped),
        "over a limit": ("s", colors.over, theme.paper),
        "ran to the end": ("o", colors.trial, theme.paper),
        "recipe's own values": ("D", colors.default, theme.paper),
    }
    for kind, (marker, color, edge) in looks.items():
        points = [
            (float(trial.number), value)
            for trial, value in shown
            if _kind(trial) == kind
        ]
        cut.draw(
            axes, points, kind, marker, color=color, markeredgecolor=edge,
            markersize=size, zorder=3,
        )  # fmt: skip


def _draw_best(axes: Axes, record: SearchRecord, size: float, theme: Theme) -> None:
    numbers, values = best_so_far(record)
    if not numbers:
        return
    objective, color = Objective(record.objective), search_colors(theme).chosen
    best = record.best_trial
    # Where trials are equally good the record says which one is taken.
    is_tie = best is not None and objective.of(best) == values[-1]
    number = best.number if best and is_tie else numbers[-1]
    last = max(trial.number for trial in record.trials)
    axes.step(
        [*numbers, last], [*values, values[-1]], where="post", color=color, lw=1.6,
        zorder=2, label="best so far",
    )  # fmt: skip
    axes.plot(
        number, values[-1], "o", color="none", markeredgecolor=color,
        markeredgewidth=1.8, markersize=size + 6, zorder=4,
    )  # fmt: skip
    is_right = number > sum(axes.get_xlim()) / 2
    is_below = objective.is_least_best
    axes.annotate(
        f"trial {number}: {objective.text(values[-1])}{'' if is_below else ' %'}",
        (number, values[-1]),
        xytext=(-8 if is_right else 8, -9 if is_below else 9),
        textcoords="offset points",
        ha="right" if is_right else "left",
        va="top" if is_below else "bottom",
        fontsize=8.5,
        zorder=5,
    )


def _draw_without_number(
    axes: Axes, record: SearchRecord, size: float, theme: Theme
) -> None:
    """Skipped and failed trials on the axis, since they have no number."""
    kinds = (
        ("skipped untrained", record.in_state("skipped"), "|", theme.faint),
        ("failed", record.in_state("failed"), "x", theme.ink),
    )
    for label, trials, marker, color in kinds:
        if trials:
            axes.plot(
                [trial.number for trial in trials], [_STRIP_CENTER] * len(trials),
                linestyle="", marker=marker, markersize=size, markeredgewidth=1.4,
                markeredgecolor=color, label=label, clip_on=False,
                transform=axes.get_xaxis_transform(),
            )  # fmt: skip
