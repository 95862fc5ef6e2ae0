"""The slow files of tests, and those that run on other backends, are there."""

import re
from pathlib import Path

import pytest

from rooms import SLOW

TESTS = Path(__file__).parents[1]
SCRIPT = (TESTS.parent / "scripts" / "test-backends").read_text(encoding="utf-8")
NAMED = re.findall(r"\b(?:pruning|quantization|distillation)/[\w/]+(?:\.py)?", SCRIPT)


@pytest.mark.parametrize("path", [*(x for xs in SLOW.values() for x in xs), *NAMED])
def test_each_path_is_there(path):
    assert (TESTS / path).exists()
