"""docs/reference/data.md shows the tree of every layout."""

from pathlib import Path

import pytest

from segshrink.data.layouts import LAYOUTS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "data.md").read_text(
    encoding="utf-8"
)


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_tree_of_a_layout_is_shown(name):
    section = PAGE.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
    assert LAYOUTS[name].TREE in section
