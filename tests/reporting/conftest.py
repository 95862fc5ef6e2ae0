from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .run_folder import build_run_folder


@pytest.fixture
def run_folder(tmp_path: Path) -> Callable[..., Path]:
    """Builds `RUN` below the test's own folder; takes the arguments of the builder."""

    def build(**options: Any) -> Path:
        return build_run_folder(tmp_path / "RUN", **options)

    return build
