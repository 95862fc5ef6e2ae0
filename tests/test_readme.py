"""The README's figures are those of the records."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_figures_are_those_of_the_records():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "readme", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_is_short():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 120
