"""A search as a table that fits into a terminal."""

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from segshrink.cli.search_table import trial_table
from segshrink.search.watcher import TrialView

from .search_views import BEST, many, view


def _rendered(state, width, rows=20, order=None, styles=False):
    """As the terminal's lines, which soft wrapping must not lengthen."""
    if order is None:
        order = [trial.number for trial in state.ended]
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
    console.print(trial_table(state, order, width, rows))
    text = console.export_text(styles=styles)
    return [line.rstrip() for line in text.splitlines()]


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
    assert _rendered(view(), 80) == expected.splitlines()


def test_wide_terminal_has_room_for_a_bar_and_all_values():
    lines = _rendered(view(), 140)
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
    assert _rendered(view(), 60)[2:5] == [
        "trial   state        epochs  mIoU   values",
        "    9   training     5/8     0.553  learning_rate 0.0002  k…",
        "best",
    ]


def test_search_that_has_just_begun_is_a_head():
    state = view((), (), seconds=0.0, seconds_left=None)
    assert _rendered(state, 80) == ["trials 0/20   0:00"]


@pytest.mark.parametrize("width", [20, 40, 80, 140, 250])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 6, 8, 11, 20])
@pytest.mark.parametrize("running", [0, 1, 4, 40])
@pytest.mark.parametrize("ended", [0, 1, 2, 30])
def test_table_fits_into_the_terminal(width, rows, running, ended):
    state = view(many(running, "running"), many(ended), best=BEST)
    lines = _rendered(state, width, rows)
    assert 1 <= len(lines) <= max(rows, 2)
    assert max(map(cell_len, lines)) <= width


def test_many_running_leave_room_for_what_ended():
    lines = _rendered(view(many(40, "running"), many(30)), 80)
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
    lines = _rendered(view((), many(8)), 80, order=[7, 6, 5, 4, 3, 0, 2, 1])
    latest = lines[lines.index("latest") + 1 :]
    assert [line.split()[0] for line in latest] == ["1", "2", "0", "3", "4"]


def test_what_is_over_a_limit_is_not_among_the_best():
    lines = _rendered(view(), 80)
    best = lines[lines.index("best") + 1 : lines.index("latest")]
    assert [line.split()[0] for line in best] == ["3", "0"]


def test_best_of_the_search_leads_whatever_its_miou():
    ended = many(5)
    lines = _rendered(view((), ended, best=ended[2]), 80)
    best = lines[lines.index("best") + 1 : lines.index("latest")]
    assert [line.split()[0] for line in best] == ["2", "4", "3"]


@pytest.mark.parametrize(
    ("state", "code"), [("failed", 31), ("pruned", 2), ("skipped", 2)]
)
def test_state_has_its_colour(state, code):
    trial = TrialView(1, state, reason="why")
    (line,) = [
        line for line in _rendered(view((), (trial,)), 80, styles=True) if state in line
    ]
    assert f"\x1b[{code}m{state}" in line
    assert f"\x1b[{code}mwhy" in line


def test_over_the_limits_is_marked():
    lines = _rendered(view(), 80, styles=True)
    assert any("\x1b[33mover limits" in line for line in lines)


def test_names_and_values_are_shown_as_they_are():
    values = {"a.[bold]name[/]": ":car:", "b.file": "two\nlines\x1b[2J"}
    (line,) = [
        line
        for line in _rendered(view((TrialView(1, "running", "", values),)), 140)
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
    assert re.split("running +", _rendered(view((trial,), ()), 250)[-1])[1] == (
        "student.training.learning_rate 2e-05  teacher.training.learning_rate 1234.5  "
        "kind compact  flip yes  losses channel_wise 3 + pixel_kl 0.25  sizes 1, 2  "
        "none none"
    )
