"""The first inputs of the fuzzer, and the fuzzer itself."""

import json
import os
import sys
from pathlib import Path

import pytest

from e2e.command_line import succeeded
from fuzz import run
from fuzz.cases import KINDS, make_case
from fuzz.materials import ROOT, make_materials

# A minute and a half of one core; `make fuzz` runs 10,000 of another seed.
INPUTS = 800
SEED = 20

RECORD = ROOT / "benchmarks" / "bad_input.json"


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    make_materials(folder / "good")
    (folder / "good.done").touch()
    return folder


def test_no_input_ends_badly(work):
    outcomes = run.fuzz(INPUTS, SEED, work)
    assert [each for each in outcomes if each["outcome"] in run.BAD] == []
    counts = run.counted(outcomes, SEED)["outcomes"]
    assert sum(counts.values()) == INPUTS
    # A fuzzer whose inputs are all taken, or all refused, tries nothing.
    assert counts["clean error"] > INPUTS / 4 and counts["taken"] > INPUTS / 20


def test_the_files_are_good_before_they_are_spoiled(work, tmp_path):
    good = work / "good"
    scenes = ("inspect", good / "scenes", "--no-write")
    for command in [
        ("validate", good / "recipe.yaml"),
        ("validate", good / "search.yaml"),
        (*scenes, "--split", good / "split.json"),
        ("inspect", good / "coco", "--no-write"),
        ("convert", good / "labelme", "--out", tmp_path / "converted"),
        *(("inspect", path) for path in sorted(good.glob("*.tflite"))),
        *(("inspect", good / f"model.{end}") for end in ("onnx", "xml", "keras")),
        ("predict", good / "own.tflite", good / "photo.tif", "--out", tmp_path / "p"),
    ]:
        succeeded(*command)


def _files(folder: Path) -> dict[str, bytes | str]:
    return {
        path.relative_to(folder).as_posix(): (
            os.readlink(path) if path.is_symlink() else path.read_bytes()
        )
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_a_number_is_always_the_same_input(work, tmp_path):
    for number in range(20):
        made = []
        for name in ("first", "second"):
            folder = tmp_path / name / str(number)
            folder.mkdir(parents=True)
            kind, arguments = make_case(number, 0, work / "good", folder)
            shown = [x.replace(str(folder), "") for x in arguments]
            made.append((kind, shown, _files(folder)))
        # Zip archives hold the time that they were written at.
        assert made[0][:2] == made[1][:2]
        assert kind == ".keras" or made[0] == made[1]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("import os; os.abort()", "crash"),
        ("import time; time.sleep(60)", "hang"),
        ("""print('{"megabytes": 9999}')""", "memory"),
    ],
)
def test_what_happens_to_a_worker_is_an_outcome(tmp_path, monkeypatch, code, outcome):
    monkeypatch.setattr(run, "HANG_SECONDS", 1)
    worker = run.Worker(tmp_path, 0)
    monkeypatch.setattr(worker, "_command", [sys.executable, "-c", code])
    assert worker.outcome(3)["outcome"] == outcome
    worker.stop()


def test_a_stopped_run_goes_on(tmp_path, monkeypatch):
    (tmp_path / "good.done").touch()
    ran = []

    def outcome(self, number):
        ran.append(number)
        return {"number": number, "kind": "recipe", "outcome": "taken"}

    monkeypatch.setattr(run.Worker, "outcome", outcome)
    run.fuzz(3, 0, tmp_path)
    assert len(run.fuzz(5, 0, tmp_path)) == 5
    assert ran == [0, 1, 2, 3, 4]


def test_the_page_shows_its_record():
    record = json.loads(RECORD.read_text())
    assert RECORD.with_suffix(".md").read_text() == run.table_of(record)
    assert set(record["kinds"]) <= {*KINDS, "unknown"}
    assert sum(record["outcomes"].values()) == record["inputs"]
