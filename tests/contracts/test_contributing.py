"""CONTRIBUTING names the floors and the files as they are."""

import re
from pathlib import Path

import pytest

from contracts.test_floors import FLOORS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
# A placeholder such as NAME stands for the file to add.
PATHS = sorted(
    path
    for path in set(re.findall(r"`([\w./-]+)`", TEXT))
    if path.startswith(("src/", "tests/", "scripts/", ".ci/")) and "NAME" not in path
)


def test_the_floors_are_those_that_the_imports_are_held_to():
    section = TEXT.partition("## The floors")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    assert [set(re.findall(r"`(\w+)`", row)) for row in rows] == FLOORS[::-1]


@pytest.mark.parametrize("path", PATHS)
def test_every_file_that_is_named_is_there(path):
    assert (ROOT / path).exists()


def steps() -> list[tuple[str, str]]:
    """Each file that a step begins with, and each name that it is said to hold."""
    found = []
    for item in re.split(r"^(?:\d\. |\*\*|#)", TEXT, flags=re.MULTILINE):
        _, *parts = re.split(r"`((?:src|tests)/[\w./]+\.py)`", item)
        for path, words in zip(parts[::2], parts[1::2], strict=True):
            if words.startswith(":") and "NAME" not in path:
                found += [(path, name) for name in re.findall(r"`(\w+)`", words)]
    return found


@pytest.mark.parametrize(("path", "name"), steps())
def test_what_a_step_names_is_in_its_file(path, name):
    assert re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8"))
