"""A search as a table on a terminal, and as lines elsewhere."""

import io
import os
import re
import subprocess
import sys

import pytest
from rich.cells import cell_len
from rich.console import Console

from segshrink.cli.search_table import TerminalWatcher, time_left, trial_table
from segshrink.search.watcher import SearchView, TrialView

_RATE = "student.training.learning_rate"
_WIDTH = "student.model.width"
_BEST = TrialView(
    3,
    "complete",
    values={_RATE: 0.003141, _WIDTH: 24, "student.kind": "compact"},
    epoch=8,
    miou=0.6123,
    latency_ms=4.2,
    size_bytes=181_000,
    is_feasible=True,
)
_RUNNING = TrialView(
    9,
    "running",
    "training",
    values={_RATE: 0.0002, "student.kind": "pruned"},
    epoch=5,
    epochs=8,
    miou=0.553,
)
_ENDED = (
    TrialView(0, "complete", "", {_RATE: 0.001}, 8, 0, 0.5, 4.9, 190_500),
    _BEST,
    TrialView(
        4,
        "skipped",
        values={_WIDTH: 64},
        latency_ms=8.1,
        size_bytes=402_000,
        reason="latency 8.1 ms, more than 5; not trained",
    ),
    TrialView(5, "failed", reason="out of memory", epoch=1),
    TrialView(6, "pruned", "", {_RATE: 0.009}, 2, 0, 0.21),
    TrialView(
        7, "complete", "", {_WIDTH: 48}, 8, 0, 0.7, 6.0, 260_000, is_feasible=False
    ),
)


def _view(running=(_RUNNING,), ended=_ENDED, **changed):
    facts = {
        "done": len(ended),
        "wanted": 20,
        "seconds": 751.0,
        "seconds_left": 6000.0,
        "best": _BEST if _BEST in ended else None,
        **changed,
    }
    return SearchView(running=running, ended=ended, **facts)


def _many(count, state="complete"):
    return tuple(
        TrialView(number, state, "training", {_RATE: 0.001}, 1, 8, number / 100)
        for number in range(count)
    )


def _rendered(view, width, rows=20, order=None, styles=False):
    """As the terminal's lines, which soft wrapping must not lengthen."""
    if order is None:
        order = [trial.number for trial in view.ended]
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=True,
        record=True,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=True,
        legacy_windows=False,
    )
    console.print(trial_table(view, order, width, rows))
    text = console.export_text(styles=styles)
    return [line.rstrip() for line in text.splitlines()]


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
    monkeypatch.setattr("segshrink.cli.search_table.errors", console)
    return console


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "< 1 min"),
        (59.9, "< 1 min"),
        (60, "about 1 min"),
        (700, "about 12 min"),
        (3590, "about 1 h"),
        (6000, "about 1 h 40 min"),
        (90_000, "about 25 h"),
    ],
)
def test_time_left_is_told_in_minutes(seconds, text):
    assert time_left(seconds) == text


def test_table_of_a_narrow_terminal():
    expected = """\
trials 6/20   12:31   about 1 h 40 min left
best: trial 3, mIoU 0.612, 4.20 ms, 181 kB
trial   state        epochs  mIoU   ms    size    values
    9   training     5/8     0.553                learning_rate 0.0002  kind pr…
best
    3   complete     8       0.612  4.20  181 kB  learning_rate 0.00314  width …
    0   complete     8       0.500  4.90  190 kB  learning_rate 0.001
latest
    7   over limits  8       0.700  6.00  260 kB  width 48
    6   pruned       2       0.210                learning_rate 0.009
    5   failed       1                            out of memory
    4   skipped                     8.10  402 kB  latency 8.1 ms, more than 5; …
    3   complete     8       0.612  4.20  181 kB  learning_rate 0.00314  width …
"""
    assert _rendered(_view(), 80) == expected.splitlines()


def test_wide_terminal_has_room_for_a_bar_and_all_values():
    lines = _rendered(_view(), 140)
    assert lines[0] == (
        "trials 6/20   12:31   about 1 h 40 min left   "
        "best: trial 3, mIoU 0.612, 4.20 ms, 181 kB"
    )
    assert lines[2] == (
        "    9   training     5/8     ━━━━━╺━━  0.553                "
        "learning_rate 0.0002  kind pruned"
    )
    assert lines[10] == (
        "    4   skipped                               8.10  402 kB  "
        "latency 8.1 ms, more than 5; not trained  width 64"
    )


def test_small_terminal_does_without_latency_and_size():
    assert _rendered(_view(), 60)[2:5] == [
        "trial   state        epochs  mIoU   values",
        "    9   training     5/8     0.553  learning_rate 0.0002  k…",
        "best",
    ]


def test_search_that_has_just_begun_is_a_head():
    view = _view((), (), seconds=0.0, seconds_left=None)
    assert _rendered(view, 80) == ["trials 0/20   0:00"]


@pytest.mark.parametrize("width", [20, 40, 80, 140, 250])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 6, 8, 11, 20])
@pytest.mark.parametrize("running", [0, 1, 4, 40])
@pytest.mark.parametrize("ended", [0, 1, 2, 30])
def test_table_fits_into_the_terminal(width, rows, running, ended):
    view = _view(_many(running, "running"), _many(ended), best=_BEST)
    lines = _rendered(view, width, rows)
    assert 1 <= len(lines) <= max(rows, 2)
    assert max(map(cell_len, lines)) <= width


def test_many_running_leave_room_for_what_ended():
    lines = _rendered(_view(_many(40, "running"), _many(30)), 80)
    assert len(lines) == 20
    shown = sum(" training " in line for line in lines)
    assert f"{40 - shown} more" in "\n".join(lines)
    assert [line.split()[0] for line in lines if "complete" in line][:3] == [
        "29",
        "28",
        "27",
    ]
    assert "latest" in lines


def test_latest_are_those_that_ended_last():
    lines = _rendered(_view((), _many(8)), 80, order=[7, 6, 5, 4, 3, 0, 2, 1])
    latest = lines[lines.index("latest") + 1 :]
    assert [line.split()[0] for line in latest] == ["1", "2", "0", "3", "4"]


def test_what_is_over_a_limit_is_not_among_the_best():
    lines = _rendered(_view(), 80)
    best = lines[lines.index("best") + 1 : lines.index("latest")]
    assert [line.split()[0] for line in best] == ["3", "0"]


def test_best_of_the_search_leads_whatever_its_miou():
    ended = _many(5)
    lines = _rendered(_view((), ended, best=ended[2]), 80)
    best = lines[lines.index("best") + 1 : lines.index("latest")]
    assert [line.split()[0] for line in best] == ["2", "4", "3"]


@pytest.mark.parametrize(
    ("state", "code"), [("failed", 31), ("pruned", 2), ("skipped", 2)]
)
def test_state_has_its_colour(state, code):
    trial = TrialView(1, state, reason="why")
    (line,) = [
        line
        for line in _rendered(_view((), (trial,)), 80, styles=True)
        if state in line
    ]
    assert f"\x1b[{code}m{state}" in line
    assert f"\x1b[{code}mwhy" in line


def test_over_the_limits_is_marked():
    lines = _rendered(_view(), 80, styles=True)
    assert any("\x1b[33mover limits" in line for line in lines)


def test_names_and_values_are_shown_as_they_are():
    values = {"a.[bold]name[/]": ":car:", "b.file": "two\nlines\x1b[2J"}
    (line,) = [
        line
        for line in _rendered(_view((TrialView(1, "running", "", values),)), 140)
        if ":car:" in line
    ]
    assert "[bold]name[/] :car:  file two lines [2J" in line


def test_values_are_short():
    values = {
        "student.training.learning_rate": 2e-5,
        "teacher.training.learning_rate": 1234.5,
        "student.kind": "compact",
        "student.training.flip": True,
        "student.distillation.losses": {"channel_wise": 3.0, "pixel_kl": 0.25},
        "student.sizes": [1, 2],
        "student.none": None,
    }
    trial = TrialView(1, "running", "", values)
    assert re.split("running +", _rendered(_view((trial,), ()), 250)[-1])[1] == (
        "student.training.learning_rate 2e-05  teacher.training.learning_rate 1234  "
        "kind compact  flip true  losses channel_wise 3, pixel_kl 0.25  sizes 1, 2  "
        "none null"
    )


def test_without_a_terminal_each_trial_that_ends_is_a_line(capsys):
    watcher = TerminalWatcher()
    watcher.show(_view(ended=()))
    for count in range(1, len(_ENDED) + 1):
        watcher.show(_view(ended=_ENDED[:count], seconds_left=700.0))
        watcher.show(_view(ended=_ENDED[:count], seconds_left=700.0))
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
    watcher.show(_view(ended=()))
    watcher.show(_view(ended=_many(3), wanted=3, seconds_left=None))
    lines = capsys.readouterr().err.splitlines()
    assert [line.rsplit(", ", 1)[1] for line in lines] == ["1/3", "2/3", "3/3"]


def test_search_that_goes_on_does_not_repeat_what_is_done(capsys):
    watcher = TerminalWatcher()
    watcher.show(_view((), _many(4), seconds=0.0))
    watcher.show(_view((), _many(5), seconds=9.0))
    first, second = capsys.readouterr().err.splitlines()
    assert first == "4 trials are done already"
    assert second.startswith("trial 4: ")


def test_running_trials_are_told_now_and_then(capsys):
    watcher = TerminalWatcher()
    second = TrialView(10, "running", "exporting")
    for seconds in range(0, 150):
        watcher.show(_view((_RUNNING, second), (), seconds=seconds, seconds_left=None))
    assert (
        capsys.readouterr().err.splitlines()
        == ["trial 9: training 5/8, mIoU 0.553; trial 10: exporting; 0/20"] * 2
    )


def test_terminal_keeps_the_last_table_and_the_lines_above_it(terminal):
    watcher = TerminalWatcher()
    watcher.show(_view(ended=_ENDED[:2]))
    watcher.say("a notice [of note]")
    watcher.show(_view())
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
    watcher.show(_view(ended=()))
    watcher.show(_view(ended=_ENDED[3:4]))
    watcher.finish()
    assert terminal.file.getvalue() == (
        "trial 5: failed: out of memory, 1/20, about 1 h 40 min left\n"
    )


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="has no pseudo-terminals")
def test_error_amid_a_search_gives_the_terminal_its_cursor_back():
    code = (
        "from segshrink.cli.search_table import TerminalWatcher\n"
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
