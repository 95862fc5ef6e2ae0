"""Sizes that the code keeps to; `scripts/structure` prints the same."""

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "structure"
figures = runpy.run_path(str(SCRIPT))


@pytest.mark.parametrize(
    "name",
    [
        "long_functions",
        "many_parameters",
        "long_files",
        "docstrings_that_begin_with_what",
    ],
)
def test_nothing_exceeds(name):
    assert figures[name]() == []


def test_few_dicts_are_open():
    dicts = figures["open_dicts"]()
    assert sum(dicts.values()) <= figures["MOST_OPEN_DICTS"], dicts


def test_the_script_finds_what_exceeds(tmp_path, monkeypatch):
    lines = "\n".join(f"    x = {i}" for i in range(41))
    (tmp_path / "long.py").write_text(f'def f():\n    """What is it."""\n{lines}\n')
    wide = ", ".join(f"a{i}" for i in range(8))
    (tmp_path / "wide.py").write_text(f"def g({wide}):\n    y: dict[str, Any] = 1\n")
    (tmp_path / "tall.py").write_text("\n" * 401)
    for name in ("long_functions", "many_parameters", "long_files"):
        monkeypatch.setitem(figures[name].__globals__, "SOURCE", tmp_path)
    assert figures["long_functions"]() == ["long.py: f has 41 lines"]
    assert figures["many_parameters"]() == ["wide.py: g has 8 parameters"]
    assert figures["long_files"]() == ["tall.py has 401 lines"]
    assert figures["docstrings_that_begin_with_what"]() == ["long.py: f"]
    assert figures["open_dicts"]() == {"wide.py": 1}
