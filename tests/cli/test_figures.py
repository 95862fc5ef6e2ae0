"""Figures as JSON and CSV: in files, or alone on standard output."""

import csv
import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from segshrink.cli.figures import Figures, as_csv, fields_of, single_values
from segshrink.cli.terminal import output
from segshrink.errors import UsageError

PLAIN = {"name": "ö", "score": 0.25, "scenes": [1, 2], "size": {"bytes": 3}}
ROWS = [{"class": "a, b", "iou": 0.5}, {"class": "c", "iou": None, "ap": 1.0}]


@pytest.fixture(autouse=True)
def printing():
    yield
    output.quiet = False


def test_files_are_written_beside_what_is_printed(tmp_path, capsys):
    figures = Figures(tmp_path / "new" / "f.json", tmp_path / "f.csv")
    output.out("a table")
    figures.write(PLAIN, ROWS)
    assert capsys.readouterr().out == "a table\n"
    assert json.loads((tmp_path / "new" / "f.json").read_text("utf-8")) == PLAIN
    read = list(csv.DictReader(io.StringIO((tmp_path / "f.csv").read_text("utf-8"))))
    assert read == [
        {"class": "a, b", "iou": "0.5", "ap": ""},
        {"class": "c", "iou": "", "ap": "1.0"},
    ]


def test_a_dash_prints_the_figures_and_nothing_else(tmp_path, capsys):
    figures = Figures(Path("-"), tmp_path / "f.csv")
    output.out("a table")
    output.print("another")
    figures.write(PLAIN, ROWS)
    assert json.loads(capsys.readouterr().out) == PLAIN
    assert (tmp_path / "f.csv").read_text("utf-8").startswith("class,iou,ap\n")
    output.quiet = False
    Figures(None, Path("-")).write(PLAIN, ROWS)
    assert capsys.readouterr().out == 'class,iou,ap\n"a, b",0.5,\nc,,1.0\n'


def test_standard_output_takes_one_of_them():
    with pytest.raises(UsageError, match="--json - and --csv -"):
        Figures(Path("-"), Path("-"))
    assert not output.quiet


def test_one_file_for_both_and_a_folder_are_refused(tmp_path):
    with pytest.raises(UsageError, match="--json and --csv both name"):
        Figures(tmp_path / "x", tmp_path / "." / "x")
    for option in ({"json_file": tmp_path}, {"csv_file": Path("/")}):
        with pytest.raises(UsageError, match="a folder. Name a file"):
            Figures(**option)


def test_a_place_below_a_file_is_refused_before_the_work(tmp_path):
    (tmp_path / "photo.png").touch()
    with pytest.raises(UsageError, match="photo.png is a file, not a folder"):
        Figures(None, tmp_path / "photo.png" / "new" / "f.csv")


def test_a_pipe_is_written_into(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(pipe.read_text)
        Figures(pipe).write({"a": 1}, [])
        assert json.loads(heard.result(timeout=10)) == {"a": 1}


def test_without_a_place_nothing_is_written(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Figures().write(PLAIN, ROWS)
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_rows_without_anything_are_an_empty_table():
    assert as_csv([]) == "\n"


def test_a_row_has_the_single_values_of_a_record():
    assert single_values(PLAIN) == {"name": "ö", "score": 0.25}


def test_fields_of_nested_records_have_dotted_places():
    assert dict(fields_of({"a": {"b": 1, "c": [1, {"d": 2}]}, "e": None, "f": {}})) == {
        "a.b": 1,
        "a.c": '[1, {"d": 2}]',
        "e": None,
        "f": "{}",
    }
