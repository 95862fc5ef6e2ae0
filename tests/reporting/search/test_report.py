import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from segshrink.errors import RunFolderError
from segshrink.reporting import (
    markdown_search_table,
    search_table,
    write_search_report,
)

from ..test_page import HOSTILE
from ..test_report import CountingProgress
from .search_folder import large_search, only, small_search

Builder = Callable[..., Path]
ALL_PLOTS = {"front.png", "history.png", "importance.png", "parallel.png"}


def terminal_text(folder: Path, width: int = 120) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(search_table(folder))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_report_is_a_page_and_pictures(search_folder: Builder) -> None:
    folder = search_folder()
    kept = folder / "report/notes.txt"
    kept.parent.mkdir()
    kept.write_text("the user's")
    progress = CountingProgress()
    page = write_search_report(folder, progress)
    assert page == folder / "report/index.html"
    names = {path.name for path in page.parent.iterdir()}
    assert names == {*ALL_PLOTS, "index.html", "notes.txt"}
    assert page.stat().st_size < 5_000_000
    assert progress.done == progress.total == 4 + 1
    assert progress.finished == 1


def without_files(record: dict[str, Any]) -> dict[str, Any]:
    for trial in record["trials"]:
        trial |= {"latency_ms": None, "size_bytes": None, "file": None}
    return {**record, "of": "teacher", "teacher": None, "front": [], "limits": {}}


@pytest.mark.parametrize(
    ("record", "names"),
    [
        (only(small_search()), set()),
        (only(small_search(), 3, 5, 6), {"history.png"}),
        (only(small_search(), 0, best=0), {"history.png", "front.png"}),
        (only(small_search(), 2), {"history.png", "front.png"}),
        (small_search(importance={}), ALL_PLOTS - {"importance.png"}),
        (small_search(space={}), ALL_PLOTS - {"parallel.png"}),
        (small_search(teacher=None), ALL_PLOTS),
        (without_files(small_search()), ALL_PLOTS - {"front.png"}),
        (small_search(objective="front", best=None), ALL_PLOTS),
        (small_search(objective="val_loss"), ALL_PLOTS),
    ],
)
def test_what_there_is_is_drawn_and_old_pictures_go(
    record: dict[str, Any], names: set[str], search_folder: Builder
) -> None:
    folder = search_folder(record)
    (folder / "report").mkdir()
    for name in ALL_PLOTS:
        (folder / "report" / name).write_bytes(b"of an earlier report")
    page = write_search_report(folder)
    assert {path.name for path in page.parent.iterdir()} == {*names, "index.html"}
    assert all((folder / "report" / name).stat().st_size > 1000 for name in names)
    terminal_text(folder)
    markdown_search_table(folder)


def test_a_large_search_fits_its_page(search_folder: Builder) -> None:
    folder = search_folder(large_search(200))
    assert write_search_report(folder).stat().st_size < 5_000_000


def test_the_same_record_gives_the_same_report(search_folder: Builder) -> None:
    page = write_search_report(search_folder())
    first = page.read_bytes()
    assert write_search_report(search_folder()).read_bytes() == first


def test_a_failing_report_leaves_the_earlier_page(
    search_folder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = search_folder()
    page = write_search_report(folder)
    page.write_text("earlier")
    monkeypatch.setattr("segshrink.reporting.page.MOST_PAGE_BYTES", 1000)
    progress = CountingProgress()
    with pytest.raises(RunFolderError, match="would take"):
        write_search_report(folder, progress)
    assert page.read_text() == "earlier" and progress.finished == 1


def test_the_terminal_gets_sentences_tables_notes_and_warnings(
    search_folder: Builder,
) -> None:
    record = small_search()
    record["data"]["split"]["leaking"] = True
    text = terminal_text(search_folder(record))
    places = [
        text.index(part)
        for part in (
            "Of 7 trials number 4 is the best",
            "Trials: 4 ran to the end",
            "latency ms",
            "student.training.learning_rate",
            "the figures of the best of 4 are optimistic",
            "Warning: Leaking split",
        )
    ]
    assert places == sorted(places)


def test_the_terminal_shows_ten_of_many(search_folder: Builder) -> None:
    text = terminal_text(search_folder(large_search(60)))
    rows = [line for line in text.splitlines() if " complete " in line]
    assert len(rows) == 10 + 1 and "0 (recipe's own)" in rows[-1]


def test_long_names_leave_room_for_the_others(search_folder: Builder) -> None:
    record = small_search()
    record["space"][HOSTILE * 3] = {"choice": [HOSTILE * 3]}
    for trial in record["trials"]:
        trial["values"][HOSTILE * 3] = HOSTILE * 3
        trial["reason"] = HOSTILE * 9
    lines = terminal_text(search_folder(record), width=80).splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) < 100
    assert any("batch_size" in line for line in lines)


def test_markdown_has_the_trials_and_the_values(search_folder: Builder) -> None:
    text = markdown_search_table(search_folder())
    sentence, trials, values, notes = text.rstrip("\n").split("\n\n")
    assert sentence.startswith("Of 7 trials number 4 is the best")
    assert len(trials.splitlines()) == 2 + 7 + 1
    assert len({line.count("|") for line in trials.splitlines()}) == 1
    assert "| **4** | **complete** | **63.0** |" in trials and "****" not in trials
    assert "learning\\_rate" in values and "optimistic" in notes


def test_reports_of_searches_need_no_machine_learning() -> None:
    code = (
        "import sys, segshrink.reporting.search;"
        "print([name for name in ('keras', 'tensorflow', 'optuna', "
        "'matplotlib.pyplot') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
