"""The site builds without a warning, and its table of contents is complete."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = (ROOT / "zensical.toml").read_text(encoding="utf-8")
SITE = tomllib.loads(SETTINGS)["project"]
PAGES = {
    path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")
}


def pages_in(entry):
    if isinstance(entry, str):
        return [entry]
    entries = entry.values() if isinstance(entry, dict) else entry
    return [page for each in entries for page in pages_in(each)]


def built(folder):
    """What a strict build in the folder says, and where the site is."""
    pytest.importorskip("zensical")
    pytest.importorskip("mkdocstrings")
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=500
    )
    return done.returncode, done.stdout + done.stderr, folder / SITE["site_dir"]


def test_every_page_is_in_the_table_of_contents():
    assert sorted(pages_in(SITE["nav"])) == sorted(PAGES)


def test_it_builds_without_a_warning(tmp_path):
    # Pages behind a link would not be found.
    for name in ("docs", "src"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    code, said, site = built(tmp_path)
    assert code == 0, said
    assert "No issues found" in said
    for page in PAGES:
        text = (site / page).with_suffix(".html").read_text(encoding="utf-8")
        # The site also works where nothing else can be reached.
        loaded = re.findall(
            r'<(?:script|link|img)\s[^>]*(?:src|href)="?(\w+:[^" ]+)', text
        )
        assert loaded == []
    # Docstrings became a reference.
    text = (site / "reference/api/pruning.html").read_text(encoding="utf-8")
    assert "plan_pruning" in text
    assert "multiple_of" in text


def test_broken_links_are_faults(tmp_path):
    (tmp_path / "docs").mkdir()
    faults = "# Page\n\n[one](nowhere.md) [other](#nowhere)\n"
    (tmp_path / "docs" / "index.md").write_text(faults, encoding="utf-8")
    # Without `nav`, which names the other pages.
    alone = re.sub(r"(?ms)^nav = \[$.*?^\]$", "", SETTINGS)
    (tmp_path / "zensical.toml").write_text(alone, encoding="utf-8")
    code, said, _ = built(tmp_path)
    assert code != 0
    assert "page does not exist" in said
    assert "anchor does not exist" in said
