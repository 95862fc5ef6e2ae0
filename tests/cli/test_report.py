"""`segshrink report` of a folder that a search left."""

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


def test_a_damaged_search_is_named(tmp_path):
    folder = build_search_folder(tmp_path / "SEARCH", small_search(best="fourth"))
    message = refused("report", folder)
    assert f"RunFolderError: {folder / 'search.json'}: not a record" in message
    assert "best: Input should be a valid integer" in message
