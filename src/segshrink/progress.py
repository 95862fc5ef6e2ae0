"""How long work tells of itself. The command line draws it; libraries stay silent."""

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of one piece of long work at a time."""

    def start(self, label: str, total: int) -> None:
        """Begin a piece of work of `total` steps."""

    def advance(self, steps: int = 1, **facts: float | str) -> None:
        """Count `steps` as done; `facts` are shown beside the bar (`miou=0.71`)."""

    def finish(self) -> None:
        """End the piece of work that `start` began."""

    def say(self, text: str) -> None:
        """Show one line that stays, such as a notice about the data."""


class SilentProgress:
    """Shows nothing; the default of every function that takes a `Progress`."""

    def start(self, label: str, total: int) -> None:
        """Ignore the start."""

    def advance(self, steps: int = 1, **facts: float | str) -> None:
        """Ignore the step."""

    def finish(self) -> None:
        """Ignore the end."""

    def say(self, text: str) -> None:
        """Ignore the line."""
