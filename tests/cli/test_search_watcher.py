"""A search on a terminal, and as lines elsewhere."""

import io
import os
import re
import subprocess
import sys

import pytest
from rich.console import Console

from segshrink.cli.search_watcher import TerminalWatcher
from segshrink.search.watcher import TrialView

from .search_views import ENDED, RUNNING, many, view


@pytest.fixture
def terminal(monkeypatch):
    console = Console(
        file=io.StringIO(),
        width=80,
        height=24,
        force_terminal=True,
        force_interactive=True,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=True,
        legacy_windows=False,
        _environ={"TERM": "xterm"},
    )
    monkeypatch.setattr("segshrink.cli.search_watcher.errors", console)
    return console


def test_without_a_terminal_each_trial_that_ends_is_a_line(capsys):
    watcher = TerminalWatcher()
    watcher.show(view(ended=()))
    for count in range(1, len(ENDED) + 1):
        watcher.show(view(ended=ENDED[:count], seconds_left=700.0))
        watcher.show(view(ended=ENDED[:count], seconds_left=700.0))
    watcher.say("a notice [of note]")
    watcher.finish()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "trial 0: mIoU 0.500, 4.90 ms, 190 kB [learning_rate 0.001], 1/20, "
        "about 12 min left",
        "trial 3: mIoU 0.612, 4.20 ms, 181 kB [learning_rate 0.00314  width 24  "
        "kind compact] best so far, 2/20, about 12 min left",
        "trial 4: skipped: latency 8.1 ms, more than 5; not trained, 8.10 ms, 402 kB "
        "[width 64], 3/20, about 12 min left",
        "trial 5: failed: out of memory, 4/20, about 12 min left",
        "trial 6: pruned, mIoU 0.210 [learning_rate 0.009], 5/20, about 12 min left",
        "trial 7: over limits, mIoU 0.700, 6.00 ms, 260 kB [width 48], 6/20, "
        "about 12 min left",
        "a notice [of note]",
    ]


def test_trials_that_end_together_are_counted_one_by_one(capsys):
    watcher = TerminalWatcher()
    watcher.show(view(ended=()))
    watcher.show(view(ended=many(3), wanted=3, seconds_left=None))
    lines = capsys.readouterr().err.splitlines()
    assert [line.rsplit(", ", 1)[1] for line in lines] == ["1/3", "2/3", "3/3"]


def test_a_resumed_search_does_not_repeat_trials_that_ended(capsys):
    watcher = TerminalWatcher()
    watcher.show(view((), many(4), seconds=0.0))
    watcher.show(view((), many(5), seconds=9.0))
    first, second = capsys.readouterr().err.splitlines()
    assert first == "4 trials are done already"
    assert second.startswith("trial 4: ")


def test_running_trials_are_printed_now_and_then(capsys):
    watcher = TerminalWatcher()
    second = TrialView(10, "running", "exporting")
    for seconds in range(0, 150):
        watcher.show(view((RUNNING, second), (), seconds=seconds, seconds_left=None))
    assert (
        capsys.readouterr().err.splitlines()
        == ["trial 9: training 5/8, mIoU 0.553; trial 10: exporting; 0/20"] * 2
    )


def test_terminal_keeps_the_last_table_and_the_lines_above_it(terminal):
    watcher = TerminalWatcher()
    watcher.show(view(ended=ENDED[:2]))
    watcher.say("a notice [of note]")
    watcher.show(view())
    watcher.finish()
    watcher.finish()
    written = terminal.file.getvalue()
    first, _, rest = written.partition("a notice [of note]")
    assert "trials 2/20" in first
    assert "trials 6/20" not in first
    # What is drawn after the last clearing of the table stays.
    standing = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", rest.split("\x1b[2K")[-1])
    assert "trials 6/20" in standing
    assert "out of memory" in standing
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1


def test_terminal_without_a_movable_cursor_gets_lines(terminal):
    terminal.is_interactive = False
    watcher = TerminalWatcher()
    watcher.show(view(ended=()))
    watcher.show(view(ended=ENDED[3:4]))
    watcher.finish()
    assert terminal.file.getvalue() == (
        "trial 5: failed: out of memory, 1/20, about 1 h 40 min left\n"
    )


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="has no pseudo-terminals")
def test_error_amid_a_search_gives_the_terminal_its_cursor_back():
    code = (
        "from segshrink.cli.search_watcher import TerminalWatcher\n"
        "from segshrink.cli.terminal import user_errors\n"
        "from segshrink.errors import DatasetError\n"
        "from segshrink.search.watcher import SearchView\n"
        "with user_errors():\n"
        "    watcher = TerminalWatcher()\n"
        "    watcher.show(SearchView(0, 5, 1.0, None, None, (), ()))\n"
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
