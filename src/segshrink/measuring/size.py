"""Size of a file as it is stored and as it travels."""

from pathlib import Path

from segshrink.errors import UsageError
from segshrink.records import gzipped_size_bytes, model_files, model_sha256
from segshrink.records.measurement import Size


def measure_size(path: Path | str) -> Size:
    """Bytes of a file, plain and gzipped, and its SHA-256.

    All three cover the `.bin` with the weights of an OpenVINO `.xml` too, and all files
    of a SavedModel; the SHA-256 is that of all, one after the other.

    Raises:
        UsageError: if there is no such file.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"{path}: no such file to measure.")
    files = model_files(path)
    return Size(
        size_bytes=sum(file.stat().st_size for file in files),
        gzipped_bytes=sum(gzipped_size_bytes(file) for file in files),
        sha256=model_sha256(path),
    )
