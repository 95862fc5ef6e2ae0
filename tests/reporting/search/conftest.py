from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .search_folder import build_search_folder, small_search


@pytest.fixture
def search_folder(tmp_path: Path) -> Callable[..., Path]:
    """Builds `SEARCH` below the test's own folder; of the small search by default."""

    def build(record: dict[str, Any] | None = None, **changes: Any) -> Path:
        return build_search_folder(
            tmp_path / "SEARCH", record or small_search(**changes)
        )

    return build
