"""Table of the trials of a search that fits into a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from segshrink.cli.trial_text import (
    OVER_LIMITS,
    clock,
    epochs_text,
    figures_text,
    latency_text,
    one_line,
    size_text,
    stage_text,
    state_text,
    time_left,
    values_text,
)

if TYPE_CHECKING:
    # The package imports Keras and Optuna, for which `--help` must not wait.
    from segshrink.search.watcher import SearchView, TrialView

_MAX_BEST = 3
_MAX_LATEST = 5
# From this width on there is room for bars, and for the best in the head line.
_WIDE = 110
# Below this width there is no room for latency and size.
_NOT_NARROW = 64
_BAR_WIDTH = 8
_ROW_STYLES = {
    "failed": "red",
    "pruned": "dim",
    "skipped": "dim",
    OVER_LIMITS: "yellow",
}


def trial_table(view: SearchView, order: Sequence[int], width: int, rows: int) -> Group:
    """A search as a head and a table of trials: running, best and latest.

    Args:
        view: the search.
        order: numbers of the trials that ended, the latest last.
        width: columns of the terminal.
        rows: lines to keep within.
    """
    head = _head(view, width)
    running, best, latest = _chosen(view, order, rows - len(head) - 1)
    names = _columns(width)
    table = Table(box=None, expand=True, padding=(0, 2, 0, 0), pad_edge=False)
    for name in names:
        # The last column gets the width that the others leave, and is cut there.
        ratio = 1 if name == "values" else None
        table.add_column(
            "" if name == "bar" else name,
            no_wrap=True,
            overflow="ellipsis",
            ratio=ratio,
            header_style="dim",
        )
    for trial in running:
        table.add_row(*_cells(trial, names))
    if hidden := len(view.running) - len(running):
        table.add_row("", Text(f"{hidden} more", style="dim"))
    for title, trials in (("best", best), ("latest", latest)):
        if trials:
            table.add_row(Text(title, style="dim"))
        for trial in trials:
            is_best = title == "best" and trial == view.best
            style = "bold" if is_best else _ROW_STYLES.get(state_text(trial))
            table.add_row(*_cells(trial, names), style=style)
    lines: list[RenderableType] = [*head]
    if table.rows and rows > len(head) + 1:
        lines.append(table)
    return Group(*lines)


def _head(view: SearchView, width: int) -> list[Text]:
    """One line, or two where the terminal is narrow."""
    parts = [f"trials {view.done}/{view.wanted}", clock(view.seconds)]
    if view.done < view.wanted and view.seconds_left is not None:
        parts.append(f"{time_left(view.seconds_left)} left")
    lines = ["   ".join(parts)]
    if view.best is not None:
        best = f"best: trial {view.best.number}, {figures_text(view.best)}"
        if width >= _WIDE:
            lines = [f"{lines[0]}   {best}"]
        else:
            lines.append(best)
    return [
        Text(line, style="bold", no_wrap=True, overflow="ellipsis") for line in lines
    ]


def _chosen(
    view: SearchView, order: Sequence[int], rows: int
) -> tuple[list[TrialView], list[TrialView], list[TrialView]]:
    """Running, best and latest trials that fit, with their titles, into `rows`."""
    few = min(len(view.ended), _MAX_BEST) + min(len(view.ended), _MAX_LATEST) + 2
    # Half of the room is kept for what ended, unless it needs less.
    most_running = max(rows - few, (rows + 1) // 2, 0)
    if len(view.running) > most_running:
        most_running = max(most_running - 1, 0)  # One line counts those left out.
    running = list(view.running[:most_running])
    left = rows - len(running) - (len(running) < len(view.running))
    best = _best(view, min(_MAX_BEST, (left - 2) // 2))
    left -= len(best) + 1 if best else 0
    latest_count = max(min(_MAX_LATEST, left - 1), 0)
    trials = {trial.number: trial for trial in view.ended}
    latest = [trials[number] for number in reversed(order) if number in trials]
    return running, best, latest[:latest_count]


def _best(view: SearchView, count: int) -> list[TrialView]:
    """The best trial, then others within the limits by mean IoU."""

    def rank(trial: TrialView) -> tuple[bool, float]:
        is_best = view.best is not None and view.best.number == trial.number
        return is_best, trial.miou or 0.0

    whole = [
        trial
        for trial in view.ended
        if state_text(trial) == "complete" and trial.miou is not None
    ]
    return nlargest(count, whole, key=rank) if count > 0 else []


def _columns(width: int) -> list[str]:
    names = ["trial", "state", "epochs", "mIoU"]
    if width >= _WIDE:
        names.insert(3, "bar")
    if width >= _NOT_NARROW:
        names += ["ms", "size"]
    return [*names, "values"]


def _cells(trial: TrialView, names: Sequence[str]) -> list[RenderableType]:
    """A row of the table; the reason stands before the values."""
    is_running = trial.state == "running"
    reason = [one_line(trial.reason)] if trial.reason else []
    texts = {
        "trial": f"{trial.number:>5}",
        "state": stage_text(trial) if is_running else state_text(trial),
        "epochs": epochs_text(trial),
        "mIoU": "" if trial.miou is None else f"{trial.miou:.3f}",
        "ms": latency_text(trial),
        "size": size_text(trial),
        "values": "  ".join([*reason, values_text(trial.values)]),
    }
    return [_bar(trial) if name == "bar" else Text(texts[name]) for name in names]


def _bar(trial: TrialView) -> RenderableType:
    if trial.state != "running" or not trial.epochs:
        return ""
    return ProgressBar(trial.epochs, min(trial.epoch, trial.epochs), _BAR_WIDTH)
