import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from segshrink.errors import RunFolderError
from segshrink.progress import SilentProgress
from segshrink.reporting import markdown_table, summary_table, write_report

from .run_folder import measurement_record

Builder = Callable[..., Path]
NUMBER_PLOTS = {
    "class_iou.png",
    "cost.png",
    "precision_recall.png",
    "quality_latency.png",
    "training.png",
}


class CountingProgress(SilentProgress):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.total = self.done = self.finished = 0

    def start(self, label: str, total: int) -> None:
        self.total = total

    def advance(self, steps: int = 1, **facts: float | str) -> None:
        self.done += steps

    def finish(self) -> None:
        self.finished += 1


def test_a_report_is_a_page_and_pictures(run_folder: Builder) -> None:
    folder = run_folder(samples=2)
    stale = folder / "report/sample_07.png"
    kept = folder / "report/notes.txt"
    stale.parent.mkdir()
    stale.write_bytes(b"of an earlier report")
    kept.write_text("the user's")
    progress = CountingProgress()
    page = write_report(folder, progress)
    assert page == folder / "report/index.html"
    assert {path.name for path in page.parent.iterdir()} == {
        *NUMBER_PLOTS,
        *("sample_00.png", "sample_01.png", "index.html", "notes.txt"),
    }
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert page.stat().st_size < 5_000_000
    assert progress.done == progress.total == 5 + 2 + 1
    assert progress.finished == 1


def test_a_failing_report_leaves_the_earlier_page(run_folder: Builder) -> None:
    bare = measurement_record("teacher", latency=None, quality=None, size=None)
    folder = run_folder(records={"teacher": bare}, samples=1)
    page = folder / "report/index.html"
    page.parent.mkdir()
    page.write_text("earlier")
    (folder / "measurements/samples/00/truth.png").write_bytes(b"broken")
    progress = CountingProgress()
    with pytest.raises(RunFolderError, match=r"00/truth.png: not a readable picture"):
        write_report(folder, progress)
    assert page.read_text() == "earlier"
    assert progress.finished == 1
    assert not list(page.parent.glob(".partial*"))


def test_without_measurements_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no measurements"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_terminal_gets_sentence_table_caption_and_warnings(
    run_folder: Builder,
) -> None:
    record = measurement_record("teacher")
    record["latency"]["spread_doubtful"] = True
    records = {"a": record, "b": measurement_record("student-int8")}
    console = Console(width=200, file=io.StringIO(), force_terminal=False)
    console.print(summary_table(run_folder(records=records, samples=0)))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    places = [
        text.index(part)
        for part in (
            "The file to take on this machine: student-int8 (358 kB, 14.6 ms).",
            "The int8 student (student-int8) is 33.7× smaller",
            "accuracy",
            "213 kB   ",
            "Quality on the test part of aerial",
            "Warning: Doubtful latency",
        )
    ]
    assert places == sorted(places)


def test_markdown_has_table_and_caption(run_folder: Builder) -> None:
    text = markdown_table(run_folder(samples=0))
    table, caption = text.rstrip("\n").split("\n\n")
    assert len(table.splitlines()) == 2 + 7
    assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "Tile 2, Tile 5" in caption and "by\\_tile.json" in caption
    assert text.endswith(".\n")


def test_reports_need_no_machine_learning() -> None:
    code = (
        "import sys, segshrink.reporting;"
        "print([name for name in ('keras', 'tensorflow', 'jax', 'torch', "
        "'matplotlib.pyplot') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
