"""The page on other tools says the same of all of them, and when it was looked at."""

import re
from datetime import date
from pathlib import Path

import segshrink

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "beside_others.md").read_text(encoding="utf-8")


def tables() -> dict[str, list[list[str]]]:
    """Rows of each table that is by tool, by the heading above it."""
    found = {}
    for section in TEXT.split("\n## ")[1:]:
        rows = re.findall(r"^\|(.+)\|$", section, re.MULTILINE)
        cells = [[cell.strip() for cell in row.split("|")] for row in rows]
        if cells and cells[0][0] == "tool":
            found[section.partition("\n")[0]] = cells
    return found


def test_every_table_has_every_tool():
    named = [
        [row[0].partition(" (")[0].removeprefix("Sony ") for row in rows[2:]]
        for rows in tables().values()
    ]
    assert len(named) == 4
    assert all(names == named[0] for names in named)


def test_every_row_has_a_cell_for_each_column():
    for rows in tables().values():
        assert {len(row) for row in rows} == {len(rows[0])}


def test_the_version_of_this_project_is_the_current_one():
    rows = tables()["Versions"]
    assert dict(row[:2] for row in rows)["segshrink"] == segshrink.__version__


def test_no_tool_is_newer_than_the_day_that_they_were_looked_at():
    looked_at = date.fromisoformat(re.search(r"Looked at on (\S+),", TEXT)[1])
    months = [row[2] for row in tables()["Versions"][3:]]
    assert len(months) == 11
    assert all(date.fromisoformat(f"{month}-01") <= looked_at for month in months)
