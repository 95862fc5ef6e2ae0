"""Trials of a search as short text, for the terminal's table and lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # The package imports Keras and Optuna, for which `--help` must not wait.
    from segshrink.search.watcher import SearchView, TrialView

OVER_LIMITS = "over limits"


def state_text(trial: TrialView) -> str:
    """The state of a trial; a complete one may be over a limit."""
    is_over = trial.state == "complete" and trial.is_feasible is False
    return OVER_LIMITS if is_over else trial.state


def stage_text(trial: TrialView) -> str:
    """Current work of a running trial, such as `training`."""
    return one_line(trial.stage) or "running"


def epochs_text(trial: TrialView) -> str:
    """`5/8` of a running trial, `8` of one that ended; empty without an epoch."""
    if trial.state == "running":
        return f"{trial.epoch}/{trial.epochs}" if trial.epochs else ""
    return str(trial.epoch) if trial.epoch else ""


def latency_text(trial: TrialView) -> str:
    """Milliseconds of its file; empty if it was not timed."""
    from segshrink.reporting.units import human_ms

    return "" if trial.latency_ms is None else human_ms(trial.latency_ms)


def size_text(trial: TrialView) -> str:
    """Size of its file; empty if there is none."""
    from segshrink.reporting.units import human_bytes

    return "" if trial.size_bytes is None else human_bytes(trial.size_bytes)


def figures_text(trial: TrialView) -> str:
    """`mIoU 0.612, 4.20 ms, 181 kB`, as far as they are known."""
    figures = []
    if trial.miou is not None:
        figures.append(f"mIoU {trial.miou:.3f}")
    if trial.latency_ms is not None:
        figures.append(f"{latency_text(trial)} ms")
    if trial.size_bytes is not None:
        figures.append(size_text(trial))
    return ", ".join(figures)


def values_text(values: Mapping[str, Any]) -> str:
    """`learning_rate 0.0031  width 24`."""
    from segshrink.reporting.search.naming import short_names, value_text

    names = short_names(values)
    return "  ".join(
        f"{names[place]} {one_line(value_text(value))}"
        for place, value in values.items()
    )


def ended_line(trial: TrialView) -> str:
    """A trial that ended in one line."""
    state = state_text(trial)
    parts = [] if state == "complete" else [state]
    if trial.reason:
        parts = [": ".join([*parts, one_line(trial.reason)])]
    text = ", ".join(filter(None, [*parts, figures_text(trial)]))
    values = f" [{values_text(trial.values)}]" if trial.values else ""
    return f"trial {trial.number}: {text}{values}"


def running_line(trial: TrialView) -> str:
    """A running trial in one line."""
    stage = f"{stage_text(trial)} {epochs_text(trial)}".rstrip()
    text = ", ".join(filter(None, [stage, figures_text(trial)]))
    return f"trial {trial.number}: {text}"


def count_text(view: SearchView, done: int) -> str:
    """`8/20, about 12 min left`."""
    count = f"{done}/{view.wanted}"
    if view.done >= view.wanted or view.seconds_left is None:
        return count
    return f"{count}, {time_left(view.seconds_left)} left"


def time_left(seconds: float) -> str:
    """`about 1 h 40 min`; an estimate needs no seconds."""
    if seconds < 60:
        return "< 1 min"
    hours, minutes = divmod(round(seconds / 60), 60)
    parts = [f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (minutes > 0)
    return " ".join(["about", *parts])


def clock(seconds: float) -> str:
    """`12:31`, or `1:12:31` from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def one_line(text: str) -> str:
    """Text in one line, without characters that would move the cursor."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(shown.split())
