"""Progress, messages and exit codes."""

import errno
import io
import os
import subprocess
import sys

import pytest
from rich.console import Console
from rich.table import Table

from segshrink.cli import terminal
from segshrink.cli.terminal import TerminalProgress, errors, output, user_errors
from segshrink.errors import DatasetError, ExportError


@pytest.mark.parametrize(
    ("error", "exit_code", "message"),
    [
        (DatasetError("a.png: torn."), 2, "DatasetError: a.png: torn.\n"),
        (ExportError("no."), 1, "ExportError: no.\n"),
        (DatasetError("[bold]a[/] :car:"), 2, "DatasetError: [bold]a[/] :car:\n"),
        (
            KeyboardInterrupt(),
            130,
            "Stopped. Finished stages and epochs are kept; the same command resumes.\n",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "runs/a"),
            2,
            "runs/a: Permission denied. Name another place, or make this one readable "
            "and writable.\n",
        ),
        (
            IsADirectoryError(errno.EISDIR, "Is a directory", ".partial-m", None, "m"),
            2,
            "m: Is a directory. Name another place, or make this one readable and "
            "writable.\n",
        ),
    ],
)
def test_errors_of_users_are_a_message_and_an_exit_code(
    error, exit_code, message, capsys
):
    with pytest.raises(SystemExit) as leaving, user_errors():
        raise error
    assert leaving.value.code == exit_code
    printed = capsys.readouterr()
    assert printed.err == message
    assert printed.out == ""


def test_full_disk_is_no_fault_of_the_arguments(capsys):
    with pytest.raises(SystemExit) as leaving, user_errors():
        raise OSError(errno.ENOSPC, "No space left on device", "runs/a")
    assert leaving.value.code == 1
    assert capsys.readouterr().err.startswith("runs/a: No space left on device.")


def test_a_full_disk_behind_the_output_has_no_name(capsys):
    with pytest.raises(SystemExit) as leaving, user_errors():
        raise OSError(errno.ENOSPC, "No space left on device")
    assert leaving.value.code == 1
    assert capsys.readouterr().err.startswith("No space left on device. Make room")


@pytest.mark.parametrize("error", [ValueError("ours"), OSError("without a file")])
def test_faults_of_the_program_pass_through(error):
    with pytest.raises(type(error)), user_errors():
        raise error


def test_reader_who_leaves_early_is_no_error():
    code = (
        "from segshrink.cli.terminal import output, user_errors\n"
        "with user_errors():\n"
        "    for line in range(100_000): output.out('a line')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 1


def test_long_paths_are_not_broken_into_lines(capsys):
    path = "/very/long" * 30
    output.out(f"Report: {path}")
    errors.print(f"Fault: {path}")
    printed = capsys.readouterr()
    assert printed.out == f"Report: {path}\n"
    assert printed.err == f"Fault: {path}\n"


def test_tables_are_piped_at_their_full_width(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    table = Table("name [of note]", "value", box=None)
    table.add_row("a very long name [bold] " * 9, "a very long value " * 9)
    output.print(table)
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["name", "[of", "note]", "value"]
    assert second.count("a very long name [bold]") == 9
    assert second.endswith("a very long value")


def test_without_a_terminal_each_work_ends_in_one_line(capsys):
    progress = TerminalProgress()
    progress.start("teacher [1]", 3)
    for _ in range(3):
        progress.advance(loss=0.5)
    progress.say("a notice [of note]")
    progress.finish()
    progress.finish()
    first, second = capsys.readouterr().err.splitlines()
    assert first == "a notice [of note]"
    assert second.startswith("teacher [1]: done in ")


def test_long_work_without_a_terminal_tells_where_it_is(capsys, monkeypatch):
    now = iter(range(0, 1000, 15))
    monkeypatch.setattr("time.monotonic", lambda: float(next(now)))
    progress = TerminalProgress()
    progress.start("teacher", 10)
    for _ in range(4):
        progress.advance(loss=0.123456, file="a.png")
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all("loss 0.123  file a.png" in line for line in lines)
    assert lines[0].startswith("teacher: 2/10  ")


def test_the_time_left_of_all_work_takes_the_place_of_that_of_one(capsys, monkeypatch):
    now = iter(range(0, 1000, 25))
    monkeypatch.setattr("time.monotonic", lambda: float(next(now)))
    progress = TerminalProgress()
    progress.start("teacher", 10)
    progress.advance(loss=0.5, left="about 4 min")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("teacher: 1/10  ")
    assert line.endswith(" s  about 4 min left in all  loss 0.5")
    monkeypatch.undo()
    monkeypatch.setenv("COLUMNS", "80")
    drawn = Console(file=io.StringIO(), force_terminal=True, color_system=None)
    monkeypatch.setattr(terminal, "errors", drawn)
    progress.start("student", 10)
    progress.advance(left="about 3 min")
    progress.finish()
    assert "about 3 min left in all" in drawn.file.getvalue()
    progress.start("student", 10)
    progress.advance()
    progress.finish()
    assert "left -:--:--" in drawn.file.getvalue()


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="has no pseudo-terminals")
def test_error_amid_a_bar_gives_the_terminal_its_cursor_back():
    code = (
        "from segshrink.cli.terminal import TerminalProgress, user_errors\n"
        "from segshrink.errors import DatasetError\n"
        "with user_errors():\n"
        "    progress = TerminalProgress()\n"
        "    progress.start('teacher', 5)\n"
        "    progress.advance()\n"
        "    raise DatasetError('torn.')\n"
    )
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(theirs)
    shown = _read_all(ours)
    assert process.wait() == 2
    hide, show = b"\x1b[?25l", b"\x1b[?25h"
    assert b"DatasetError: torn." in shown
    assert hide in shown
    assert shown.rindex(show) > shown.rindex(hide)


def _read_all(descriptor: int) -> bytes:
    shown = b""
    while True:
        try:
            piece = os.read(descriptor, 4096)
        except OSError:  # how Linux says that the other side has closed
            piece = b""
        if not piece:
            return shown
        shown += piece
