"""Typing `segshrink ...`: in this process, which is quick, or in one of its own."""

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from segshrink.cli import main


@dataclass(frozen=True)
class Finished:
    exit_code: int
    out: str
    errors: str


def typed(*arguments: object, columns: int = 300) -> Finished:
    """Run the entry point with these arguments, as a shell of that width would."""
    out, errors = io.StringIO(), io.StringIO()
    line = ["segshrink", *map(str, arguments)]
    with (
        mock.patch.object(sys, "argv", line),
        mock.patch.dict(os.environ, COLUMNS=str(columns), NO_COLOR="1"),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        code = _exit_code()
    return Finished(code, out.getvalue(), errors.getvalue())


def _exit_code() -> int:
    try:
        main()
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


def succeeded(*arguments: object) -> str:
    """Text that the command printed; it must exit with 0."""
    finished = typed(*arguments)
    assert finished.exit_code == 0, finished.errors
    return finished.out


def refused(*arguments: object) -> str:
    """The message of a command that must exit with 2 and print no result."""
    finished = typed(*arguments)
    assert finished.exit_code == 2, finished
    assert "Traceback" not in finished.errors
    return finished.errors


def started(*arguments: object, **options: object) -> subprocess.Popen:
    """A process of its own that runs the command."""
    command = Path(sys.executable).with_name("segshrink")
    return subprocess.Popen([command, *map(str, arguments)], **options)
