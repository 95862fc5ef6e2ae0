"""Progress, results and errors on the terminal."""

import atexit
import errno
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.table import Column
from rich.text import Text

from segshrink.errors import SegshrinkError, SegshrinkWarning, missing_extra
from segshrink.formats import Format
from segshrink.text_table import as_text

_show_of_python = warnings.showwarning

_LINES_EVERY_SECONDS = 20.0

# These errors of a system call mean that the user named a wrong path.
_WRONG_PATH = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
# The exit code that shells use for a command that Ctrl-C ended.
STOPPED_EXIT_CODE = 130
_WRONG_PATH_EXIT_CODE = 2


class Output(Console):
    """Standard output; what is piped or redirected is as wide as it needs to be."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, tables at their full width where there is no terminal to fit them."""
        if self.is_terminal or all(isinstance(each, str) for each in objects):
            super().print(*objects, **options)
            return
        for each in objects:
            self.out(each if isinstance(each, str) else as_text(each))


# Names of files and classes are printed as they are, whatever brackets and colons they
# contain, and numbers in sentences without colours of their own.
output = Output(highlight=False, markup=False, emoji=False)
errors = Console(
    stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True
)


class TerminalProgress:
    """A progress bar; without a terminal, a line every 20 seconds."""

    def __init__(self) -> None:
        self._bar: RichProgress | None = None
        self._label = ""
        self._done = self._total = 0
        self._last_line = self._began = 0.0

    def start(self, label: str, total: int) -> None:
        """Begin a bar, and close one that an error left open."""
        self.finish()
        self._label, self._done, self._total = label, 0, total
        self._began = self._last_line = time.monotonic()
        if errors.is_terminal:
            self._bar = _bar()
            # An error leaves the bar open, which would leave the cursor hidden.
            atexit.register(self._bar.stop)
            self._bar.start()
            self._bar.add_task(label, total=total, facts="", left=None)

    def advance(self, steps: int = 1, **facts: float | str) -> None:
        """Advance the bar, and show facts beside it.

        The fact `left` is the time left of all work, which is shown in place of that of
        this bar.
        """
        self._done += steps
        left = facts.pop("left", None)
        shown = "  ".join(f"{name} {_fact(value)}" for name, value in facts.items())
        if self._bar is not None:
            task = self._bar.task_ids[0]
            self._bar.update(task, advance=steps, facts=shown, left=left)
        elif time.monotonic() - self._last_line > _LINES_EVERY_SECONDS:
            self._last_line = time.monotonic()
            seconds = time.monotonic() - self._began
            in_all = "" if left is None else f"  {left} left in all"
            errors.print(
                f"{self._label}: {self._done}/{self._total}  {seconds:.0f} s{in_all}"
                f"  {shown}"
            )

    def finish(self) -> None:
        """Close the bar; without a terminal, print how long it took."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        elif self._label:
            seconds = time.monotonic() - self._began
            errors.print(f"{self._label}: done in {seconds:.1f} s")
        self._label = ""

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        (self._bar.console if self._bar else errors).print(text)


class _LeftColumn(TimeRemainingColumn):
    """The time left: of all work where that is known, else of this bar."""

    def render(self, task: Task) -> Text:
        left = task.fields["left"]
        if left is not None:
            return Text(f"{left} left in all")
        return Text("left ") + super().render(task)


def _bar() -> RichProgress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        _LeftColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[facts]}", markup=False),
        console=errors,
    )


def _fact(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def tell_warnings() -> None:
    """Print warnings of segshrink as a line, without the place in its code."""
    warnings.showwarning = _tell


def _tell(
    message: Warning | str, category: type[Warning], *place: Any, **more: Any
) -> None:
    if issubclass(category, SegshrinkWarning):
        errors.print(f"Note: {message}")
    else:
        _show_of_python(message, category, *place, **more)


def say(text: str) -> None:
    """Say what a verb does, before the imports and the reading that take seconds."""
    errors.print(f"{text} ...")


def load_keras() -> None:
    """Import Keras and its backend without their start-up messages.

    It takes seconds, so it is said.
    """
    from segshrink.quiet import quiet

    if "keras" in sys.modules:
        return
    say("Loading Keras")
    with quiet():
        import keras  # noqa: F401


def load_plots() -> None:
    """Import what draws, before the work whose result is to be drawn."""
    import matplotlib  # noqa: F401


def load_keras_for(*files: Path) -> None:
    """Import Keras if one of the files is a Keras model; nothing else needs it."""
    if any(Format.of_file(file) is Format.KERAS for file in files):
        load_keras()


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn errors that a user can make into a message and an exit code.

    It wraps each verb and not the whole application, since the application would catch
    Ctrl-C itself and exit without a message.
    """
    try:
        yield
    except SegshrinkError as error:
        errors.print(f"{type(error).__name__}: {error}")
        raise SystemExit(error.exit_code) from None
    except ModuleNotFoundError as error:
        lacking = missing_extra(error)
        if lacking is None:
            raise
        errors.print(f"{type(lacking).__name__}: {lacking}")
        raise SystemExit(lacking.exit_code) from None
    except KeyboardInterrupt:
        errors.print(
            "Stopped. Finished stages and epochs are kept; the same command resumes."
        )
        raise SystemExit(STOPPED_EXIT_CODE) from None
    except BrokenPipeError:
        # The consumer of the output has exited, as in `segshrink inspect DATA | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        # Files are written by renaming, whose second path is the one the user named.
        path = error.filename2 or error.filename
        if error.errno is None:
            raise
        advice = (
            "Make room there, or name another place; finished results are kept."
            if error.errno == errno.ENOSPC
            else "Name another place, or make this one readable and writable."
        )
        place = "" if path is None else f"{path}: "
        errors.print(f"{place}{error.strerror}. {advice}")
        is_wrong_path = isinstance(error, _WRONG_PATH)
        raise SystemExit(_WRONG_PATH_EXIT_CODE if is_wrong_path else 1) from None
