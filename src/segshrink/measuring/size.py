"""Size of a file as it is stored and as it travels."""

from pathlib import Path
from typing import Any

from segshrink.errors import UsageError
from segshrink.records import gzipped_size_bytes, sha256_of


def measure_size(path: Path | str) -> dict[str, Any]:
    """Bytes of a file, plain and gzipped, and its SHA-256.

    Returns:
        `{"size_bytes": int, "gzipped_bytes": int, "sha256": str}`.

    Raises:
        UsageError: if there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path}: no such file to measure.")
    return {
        "size_bytes": path.stat().st_size,
        "gzipped_bytes": gzipped_size_bytes(path),
        "sha256": sha256_of(path),
    }
