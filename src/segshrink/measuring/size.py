"""Size of a file as it is stored and as it travels."""

from pathlib import Path
from typing import Any

from segshrink.errors import UsageError
from segshrink.records import gzipped_size_bytes, model_files, model_sha256


def measure_size(path: Path | str) -> dict[str, Any]:
    """Bytes of a file, plain and gzipped, and its SHA-256.

    Of an OpenVINO `.xml` all three are those of the `.bin` with its weights too; the
    SHA-256 is that of both, one after the other.

    Returns:
        `{"size_bytes": int, "gzipped_bytes": int, "sha256": str}`.

    Raises:
        UsageError: if there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path}: no such file to measure.")
    files = model_files(path)
    return {
        "size_bytes": sum(file.stat().st_size for file in files),
        "gzipped_bytes": sum(gzipped_size_bytes(file) for file in files),
        "sha256": model_sha256(path),
    }
