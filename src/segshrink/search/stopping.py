"""Stopping a trial that works: its search leaves a file, which the trial looks for."""

from pathlib import Path

from segshrink.progress import SilentProgress
from segshrink.search.paths import STOP


class TrialStopped(Exception):
    """The search has asked the trial to stop."""


class StoppingProgress(SilentProgress):
    """Ends the work that reports to it when its trial is to stop.

    Args:
        folder: of the trial.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / STOP

    def advance(self, steps: int = 1, **facts: float | str) -> None:
        """Raise if the trial is to stop.

        Raises:
            TrialStopped: if its search has asked for it.
        """
        self.require_going()

    def require_going(self) -> None:
        """Raise if the trial is to stop.

        Raises:
            TrialStopped: if its search has asked for it.
        """
        if self._file.is_file():
            raise TrialStopped
