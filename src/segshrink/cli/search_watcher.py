"""A search on the terminal: a live table, or lines without a terminal."""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.live import Live

from segshrink.cli.search_table import trial_table
from segshrink.cli.terminal import errors
from segshrink.cli.trial_text import count_text, ended_line, running_line

if TYPE_CHECKING:
    # The package imports Keras and Optuna, for which `--help` must not wait.
    from segshrink.search.watcher import SearchView, TrialView

_LINES_EVERY_SECONDS = 60.0
_MAX_ROWS = 20


class TerminalWatcher:
    """A table of the trials; without a terminal, a line for each that ends."""

    def __init__(self) -> None:
        self._view: SearchView | None = None
        self._live: Live | None = None
        # Numbers in the order in which the trials ended.
        self._ended: dict[int, None] = {}
        self._last_line = 0.0

    def show(self, view: SearchView) -> None:
        """Redraw the table; without a terminal print the trials that are new."""
        is_first = self._view is None
        if is_first:
            self._last_line = view.seconds
        self._view = view
        new = [trial for trial in view.ended if trial.number not in self._ended]
        self._ended.update(dict.fromkeys(trial.number for trial in new))
        # A terminal that cannot move its cursor gets lines.
        if errors.is_interactive:
            self._draw()
        elif is_first and new:
            verb = "trial is" if len(new) == 1 else "trials are"
            self._print(f"{len(new)} {verb} done already")
        else:
            self._print_new(view, new)

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
            # `show` comes often enough to do without a refreshing thread.
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

    def _print_new(self, view: SearchView, new: Sequence[TrialView]) -> None:
        """Print a line per trial that ended, or now and then for those in progress."""
        for later, trial in zip(reversed(range(len(new))), new, strict=True):
            is_best = view.best is not None and view.best.number == trial.number
            best = " best so far" if is_best else ""
            count = count_text(view, view.done - later)
            self._print(f"{ended_line(trial)}{best}, {count}")
        if view.running and view.seconds - self._last_line >= _LINES_EVERY_SECONDS:
            running = "; ".join(running_line(trial) for trial in view.running)
            self._print(f"{running}; {count_text(view, view.done)}")

    def _print(self, line: str) -> None:
        errors.print(line)
        if self._view is not None:
            self._last_line = self._view.seconds
