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
from segshrink.reporting.search.objective import Objective, improvements, worst_shown
from segshrink.reporting.search.plots.trials import Cut, TrialColors
from segshrink.reporting.search.table import state_text

_MARGIN = 0.08
_ROOM_FOR_NAME = 0.06
_LEAST_OF_LOSS = 0.05
# Shares of the height: the strip for trials without a number, and its middle.
_STRIP = 0.12
_STRIP_CENTER = 0.04


def history_plot(record: SearchRecord) -> Plot | None:
    """Every trial in the order of the search; `None` where there is none."""
    if not record.trials:
        return None
    objective = Objective(record.objective)
    shown = [objective.shown(trial) for trial in record.trials]
    values = [value for value in shown if value is not None]
    cut = Cut(objective, worst_shown(values, objective))
    result, notes = "; none is within the limits with a result.", []
    steps = [
        f"{objective.text(value)} in trial {number}"
        for number, value in improvements(record)
    ]
    if steps:
        result = f". Best so far: {', '.join(steps)}."
        notes.append("The line is the best so far within the limits.")
    if record.in_state("pruned"):
        notes.append("Trials that were stopped early stand at their last epoch.")
    notes.append(cut.note(values))
    counts = ", ".join(counts_text(record).values())
    return Plot(
        stem="history",
        title="Trial by trial",
        alt=f"{objective.title} of each trial; {counts}{result}",
        note=" ".join(filter(None, notes)),
        figure=partial(_draw, record, values, cut),
    )


def _draw(
    record: SearchRecord, values: Sequence[float], cut: Cut, theme: Theme
) -> Figure:
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
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _set_heights(axes, record, [cut.clipped(value) for value in values])
    size = 7.0 if len(numbers) <= 60 else 5.5 if len(numbers) <= 120 else 4.5
    _draw_trials(axes, record, cut, size, theme)
    _draw_best(axes, record, size, theme)
    draw_legend(figure)
    return figure


def _set_heights(axes: Axes, record: SearchRecord, values: Sequence[float]) -> None:
    if not values:
        axes.set(ylim=(0, 1), yticks=[])
        return
    has_strip = record.in_state("skipped") or record.in_state("failed")
    is_loss = record.objective == "val_loss"
    ends = limits(
        values,
        least=_LEAST_OF_LOSS * abs(max(values)) if is_loss else 4.0,
        # Trials without a number stand in a strip below the others.
        below=_MARGIN + (_STRIP if has_strip else 0),
        above=_MARGIN + _ROOM_FOR_NAME,
    )
    axes.set_ylim(ends)


def _kind(trial: Trial) -> str:
    state = state_text(trial)
    return "recipe's own values" if trial.is_default and state == "complete" else state


def _draw_trials(
    axes: Axes, record: SearchRecord, cut: Cut, size: float, theme: Theme
) -> None:
    """All trials kind by kind, those in front last."""
    colors = TrialColors(theme)
    looks = {
        "stopped early": ("o", "none", colors.stopped),
        "over a limit": ("s", colors.over, theme.paper),
        "complete": ("o", colors.trial, theme.paper),
        "recipe's own values": ("D", colors.default, theme.paper),
        "skipped": ("|", "none", theme.faint),
        "failed": ("x", "none", theme.ink),
    }
    for kind, (marker, color, edge) in looks.items():
        trials = [trial for trial in record.trials if _kind(trial) == kind]
        if not trials:
            continue
        if kind in ("skipped", "failed"):
            numbers, heights = [t.number for t in trials], [_STRIP_CENTER] * len(trials)
            [dots] = axes.plot(numbers, heights, marker, mec=edge, ms=size, label=kind)
            in_strip = axes.get_xaxis_transform()
            dots.set(transform=in_strip, clip_on=False, markeredgewidth=1.4)
            continue
        points = [
            (float(trial.number), value)
            for trial in trials
            if (value := cut.objective.shown(trial)) is not None
        ]
        cut.draw(axes, points, kind, marker, color=color, mec=edge, ms=size, zorder=3)


def _draw_best(axes: Axes, record: SearchRecord, size: float, theme: Theme) -> None:
    objective, color = Objective(record.objective), TrialColors(theme).chosen
    steps = improvements(record)
    if not steps:
        return
    number, value = steps[-1]
    last = max(trial.number for trial in record.trials)
    line = zip(*steps, (last, value), strict=True)
    axes.step(*line, where="post", color=color, zorder=2, label="best so far")
    # Where trials are equally good the record says which one is taken.
    if record.best_trial and objective.of(record.best_trial) == value:
        number = record.best_trial.number
    axes.plot(
        number, value, "o", color="none", mec=color, mew=1.8, ms=size + 6, zorder=4
    )
    _annotate_best(axes, objective, number, value)


def _annotate_best(axes: Axes, objective: Objective, number: int, value: float) -> None:
    is_right = number > sum(axes.get_xlim()) / 2
    is_below = objective.is_least_best
    text = f"trial {number}: {objective.text(value)}{'' if is_below else ' %'}"
    offset = (-8 if is_right else 8, -9 if is_below else 9)
    note = axes.annotate(text, (number, value), offset, "data", "offset points")
    across, up = "right" if is_right else "left", "top" if is_below else "bottom"
    note.set(ha=across, va=up, fontsize=8.5, zorder=5)
