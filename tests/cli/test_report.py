"""`segshrink report` of a folder that a search left."""

import csv
import io
import json

from e2e.command_line import refused, succeeded
from reporting.search.search_folder import build_search_folder, small_search


def test_of_a_search_it_writes_the_page_and_prints_the_trials(tmp_path):
    folder = build_search_folder(tmp_path / "SEARCH", small_search())
    printed = succeeded("report", folder)
    assert printed.startswith("Of 7 trials number 4 is the best within 5.00 ms")
    assert printed.endswith(f"Report: {folder / 'report' / 'index.html'}\n")
    assert (folder / "report" / "history.png").is_file()


def test_of_a_search_as_markdown_it_writes_nothing(tmp_path):
    folder = build_search_folder(tmp_path / "SEARCH", small_search())
    printed = succeeded("report", folder, "--markdown")
    rows = [line for line in printed.splitlines() if line.startswith("| ")]
    assert "| **4** | **complete** | **63.0** |" in printed
    assert len(rows) == (2 + 8) + (2 + 6)
    assert [path.name for path in folder.iterdir()] == ["search.json"]


def test_figures_of_a_search_are_its_record_and_a_row_for_each_trial(tmp_path):
    folder = build_search_folder(tmp_path / "SEARCH", small_search())
    printed = json.loads(succeeded("report", folder, "--json", "-"))
    kept = json.loads((folder / "search.json").read_text(encoding="utf-8"))
    assert [x["number"] for x in printed["trials"]] == [
        x["number"] for x in kept["trials"]
    ]
    rows = list(csv.DictReader(io.StringIO(succeeded("report", folder, "--csv", "-"))))
    assert [int(row["trial"]) for row in rows] == [x["number"] for x in kept["trials"]]
    [chosen] = [row for row in rows if row["is_chosen"] == "True"]
    assert int(chosen["trial"]) == kept["best"]
    message = refused("report", folder, "--markdown", "--json", "-")
    assert "--json has no effect with --markdown" in message


def test_a_damaged_search_is_named(tmp_path):
    folder = build_search_folder(tmp_path / "SEARCH", small_search(best="fourth"))
    message = refused("report", folder)
    assert f"RunFolderError: {folder / 'search.json'}: not a record" in message
    assert "best: Input should be a valid integer" in message
