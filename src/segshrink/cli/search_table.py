"""How the command line shows a search: a table, or lines without a terminal."""

from __future__ import annotations

import atexit
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from segshrink.cli.terminal import errors

if TYPE_CHECKING:
    # The package brings Keras and Optuna, for which `--help` must not wait.
    from segshrink.search.watcher import SearchView, TrialView

_LINES_EVERY_SECONDS = 60.0
_MAX_ROWS = 20
_MAX_BEST = 3
_MAX_LATEST = 5
# From so many columns on there is room for bars, and for the best in the head line.
_WIDE = 110
# Below there is none for latency and size.
_NOT_NARROW = 64
_BAR_WIDTH = 8
_OVER_LIMITS = "over limits"
_ROW_STYLES = {
    "failed": "red",
    "pruned": "dim",
    "skipped": "dim",
    _OVER_LIMITS: "yellow",
}


class TerminalWatcher:
    """A table of the trials; without a terminal, a line for each that ends."""

    def __init__(self) -> None:
        self._view: SearchView | None = None
        self._live: Live | None = None
        # Numbers in the order in which they ended, which is not their own.
        self._ended: dict[int, None] = {}
        self._last_line = 0.0

    def show(self, view: SearchView) -> None:
        """Draw the table anew; without a terminal tell what is new."""
        is_first = self._view is None
        if is_first:
            self._last_line = view.seconds
        self._view = view
        new = [trial for trial in view.ended if trial.number not in self._ended]
        self._ended.update(dict.fromkeys(trial.number for trial in new))
        # A terminal that cannot move its cursor is as none.
        if errors.is_interactive:
            self._draw()
        elif is_first and new:
            verb = "trial is" if len(new) == 1 else "trials are"
            self._print(f"{len(new)} {verb} done already")
        else:
            self._tell(view, new)

    def say(self, text: str) -> None:
        """Print a line above the table."""
        errors.print(text)

    def finish(self) -> None:
        """Leave the table as it stands, and the cursor below it."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self) -> None:
        if self._live is None:
            # No refreshing by itself: `show` comes often enough to do without a thread.
            self._live = Live(
                console=errors, auto_refresh=False, get_renderable=self._table
            )
            # An error may leave the table open, and with it the terminal without a
            # cursor.
            atexit.register(self._live.stop)
            self._live.start()
        self._live.refresh()

    def _table(self) -> RenderableType:
        if self._view is None:
            return ""
        rows = min(_MAX_ROWS, errors.height - 1)
        return trial_table(self._view, list(self._ended), errors.width, rows)

    def _tell(self, view: SearchView, new: Sequence[TrialView]) -> None:
        """Print a line for each trial that ended, or now and then for those in work."""
        for later, trial in zip(reversed(range(len(new))), new, strict=True):
            is_best = view.best is not None and view.best.number == trial.number
            best = " best so far" if is_best else ""
            standing = _standing(view, view.done - later)
            self._print(f"{_ended_line(trial)}{best}, {standing}")
        if view.running and view.seconds - self._last_line >= _LINES_EVERY_SECONDS:
            running = "; ".join(_running_line(trial) for trial in view.running)
            self._print(f"{running}; {_standing(view, view.done)}")

    def _print(self, line: str) -> None:
        errors.print(line)
        if self._view is not None:
            self._last_line = self._view.seconds


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
        # The last gets all the width that the others leave, and is cut there.
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
            style = "bold" if is_best else _ROW_STYLES.get(_state(trial))
            table.add_row(*_cells(trial, names), style=style)
    lines: list[RenderableType] = [*head]
    if table.rows and rows > len(head) + 1:
        lines.append(table)
    return Group(*lines)


def _head(view: SearchView, width: int) -> list[Text]:
    """One line, or two where the terminal is narrow."""
    parts = [f"trials {view.done}/{view.wanted}", _clock(view.seconds)]
    if view.done < view.wanted and view.seconds_left is not None:
        parts.append(f"{time_left(view.seconds_left)} left")
    lines = ["   ".join(parts)]
    if view.best is not None:
        best = f"best: trial {view.best.number}, {_facts(view.best)}"
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
        most_running = max(most_running - 1, 0)  # A line tells how many are left out.
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
        if _state(trial) == "complete" and trial.miou is not None
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
    stage = _plain(trial.stage) or "running"
    reason = [_plain(trial.reason)] if trial.reason else []
    texts = {
        "trial": f"{trial.number:>5}",
        "state": stage if is_running else _state(trial),
        "epochs": _epochs(trial),
        "mIoU": "" if trial.miou is None else f"{trial.miou:.3f}",
        "ms": _latency(trial),
        "size": _size(trial),
        "values": "  ".join([*reason, _values(trial.values)]),
    }
    return [_bar(trial) if name == "bar" else Text(texts[name]) for name in names]


def _epochs(trial: TrialView) -> str:
    """`5/8`; `8` of one that ended; nothing of one that was not trained."""
    if trial.state == "running":
        return f"{trial.epoch}/{trial.epochs}" if trial.epochs else ""
    return str(trial.epoch) if trial.epoch else ""


def _bar(trial: TrialView) -> RenderableType:
    if trial.state != "running" or not trial.epochs:
        return ""
    return ProgressBar(trial.epochs, min(trial.epoch, trial.epochs), _BAR_WIDTH)


def _state(trial: TrialView) -> str:
    """The state, or that a whole trial is over a limit."""
    is_over = trial.state == "complete" and trial.is_feasible is False
    return _OVER_LIMITS if is_over else trial.state


def _latency(trial: TrialView) -> str:
    from segshrink.reporting.units import human_ms

    return "" if trial.latency_ms is None else human_ms(trial.latency_ms)


def _size(trial: TrialView) -> str:
    from segshrink.reporting.units import human_bytes

    return "" if trial.size_bytes is None else human_bytes(trial.size_bytes)


def _facts(trial: TrialView) -> str:
    """What is known of `mIoU 0.612, 4.20 ms, 181 kB`."""
    facts = []
    if trial.miou is not None:
        facts.append(f"mIoU {trial.miou:.3f}")
    if trial.latency_ms is not None:
        facts.append(f"{_latency(trial)} ms")
    if trial.size_bytes is not None:
        facts.append(_size(trial))
    return ", ".join(facts)


def _ended_line(trial: TrialView) -> str:
    state = _state(trial)
    facts = [] if state == "complete" else [state]
    if trial.reason:
        facts = [": ".join([*facts, _plain(trial.reason)])]
    told = ", ".join(filter(None, [*facts, _facts(trial)]))
    values = f" [{_values(trial.values)}]" if trial.values else ""
    return f"trial {trial.number}: {told}{values}"


def _running_line(trial: TrialView) -> str:
    stage = f"{_plain(trial.stage) or 'running'} {_epochs(trial)}".rstrip()
    told = ", ".join(filter(None, [stage, _facts(trial)]))
    return f"trial {trial.number}: {told}"


def _standing(view: SearchView, done: int) -> str:
    """`8/20, about 12 min left`."""
    standing = f"{done}/{view.wanted}"
    if view.done >= view.wanted or view.seconds_left is None:
        return standing
    return f"{standing}, {time_left(view.seconds_left)} left"


def time_left(seconds: float) -> str:
    """`about 1 h 40 min`; what is estimated needs no seconds."""
    if seconds < 60:
        return "< 1 min"
    hours, minutes = divmod(round(seconds / 60), 60)
    parts = [f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (minutes > 0)
    return " ".join(["about", *parts])


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _values(values: Mapping[str, Any]) -> str:
    """`learning_rate 0.0031  width 24`."""
    names = _short_names(values)
    return "  ".join(
        f"{name} {_plain(_shown(value))}"
        for name, value in zip(names, values.values(), strict=True)
    )


def _short_names(places: Iterable[str]) -> list[str]:
    """The last part of each place, or as many as tell it from the others."""
    split = [place.split(".") for place in places]
    counts = Counter(tail for parts in split for tail in _tails(parts))
    return [
        next((tail for tail in _tails(parts) if counts[tail] == 1), ".".join(parts))
        for parts in split
    ]


def _tails(parts: Sequence[str]) -> list[str]:
    """The last part, the last two, and so on."""
    return [".".join(parts[-count:]) for count in range(1, len(parts) + 1)]


def _shown(value: Any) -> str:
    """A value as a recipe has it, floats to three digits."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_shown, value))
    return str(value)


def _plain(text: str) -> str:
    """Text in one line, without what would move the cursor."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(shown.split())
