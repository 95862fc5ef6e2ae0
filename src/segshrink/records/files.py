"""Atomic writes, locks and digests of the files of a run.

Every file is written beside its final name and then renamed, so that neither a reader
nor a run that resumes after a kill sees half of a file.
"""

import errno
import gzip
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from segshrink.errors import RunFolderError
from segshrink.formats import Format

_PARTIAL = ".partial"
# An entry of `external_data` in ONNX's protocol buffers: the key, then the length of
# the name in one byte.
_LOCATION = re.compile(rb"\n\x08location\x12([\x01-\x7f])")


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` that takes its name when the block ends well.

    The temporary name keeps the suffix, because writers such as Keras choose the file
    format by it. When the block raises, the temporary file or folder is removed and
    `path` stays as it was. A link stays a link; what it points to is written.

    Raises:
        OSError: as the block raises it, with the name of the file added if it has none;
            if `path` is a device or a pipe, which no file can replace.
    """
    path = Path(path)
    if path.is_symlink():
        path = path.resolve()
    if is_special(path):
        raise OSError(errno.EINVAL, "A device or a pipe, not a file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{_PARTIAL}-{path.name}")
    _remove(partial)
    try:
        yield partial
        if partial.is_file():
            _flush_to_disk(partial)
        elif partial.is_dir() and path.exists():
            # A folder cannot be replaced in one step; the old one goes first.
            _remove(path)
        os.replace(partial, path)
    except OSError as error:
        # A full disk is noticed in the middle of a file, where its name is not known.
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        _remove(partial)


def is_special(path: Path) -> bool:
    """Whether there is something at `path` that is neither a file nor a folder."""
    return path.exists() and not (path.is_file() or path.is_dir())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock that no other process has; it ends with this process at the latest.

    Args:
        path: lock file; created if missing, and left in place.
        wait: whether to wait until another process releases the lock.

    Yields:
        Whether the lock is held. It always is after waiting.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextmanager
def exclusive_folder(
    folder: Path, *, instead: str = "name another folder"
) -> Iterator[None]:
    """Hold a folder, so that no other process writes the same files.

    Args:
        folder: folder to hold.
        instead: remedy that the error message offers besides waiting.

    Raises:
        RunFolderError: if another process holds the folder.
    """
    path = folder / ".lock"
    with locked(path, wait=False) as is_held:
        if not is_held:
            raise RunFolderError(
                f"{folder}: another process works in this folder. Wait until it ends, "
                f"or {instead}."
            )
        try:
            yield
        finally:
            # No process waits for this lock, and only results should be left.
            with suppress(OSError):
                path.unlink()


def write_json(path: Path, record: Any) -> None:
    """Write `record` as indented JSON, atomically; NaN is refused."""
    text = json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read one record.

    Raises:
        RunFolderError: if the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunFolderError(
            f"{path}: this record is missing. Run its stage."
        ) from None
    except (ValueError, OSError, RecursionError) as error:
        raise RunFolderError(
            f"{path}: not a readable record ({error}). "
            "Delete it and run its stage again."
        ) from error


def sha256_of(path: Path | str) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def model_files(path: Path) -> list[Path]:
    """The files that a model consists of.

    An OpenVINO `.xml` holds only the graph; the `.bin` with its weights is added if it
    exists. An `.onnx` may keep its weights in files beside it, whose names it says. A
    SavedModel is all files of its folder, in the order of their names.
    """
    path = Path(path)
    format = Format.of_file(path)
    if format is Format.ONNX:
        return [path, *_external_data(path)]
    if format is Format.SAVED_MODEL:
        return sorted(file for file in path.rglob("*") if file.is_file())
    if format is None or format.weights_suffix is None:
        return [path]
    weights = path.with_suffix(format.weights_suffix)
    return [path, weights] if weights.is_file() else [path]


def _external_data(path: Path) -> list[Path]:
    """Files in which an `.onnx` keeps its weights, as newer exporters write them.

    They are found without the `onnx` package, which need not be installed where a file
    is only run.
    """
    content = path.read_bytes()
    names = dict.fromkeys(
        content[match.end() : match.end() + match[1][0]]
        for match in _LOCATION.finditer(content)
    )
    files = [path.parent / os.fsdecode(name) for name in names]
    folder = path.parent.resolve()
    return [x for x in files if x.is_file() and x.resolve().is_relative_to(folder)]


def model_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of the bytes of all files of a model, one after the other."""
    digest = hashlib.sha256()
    for file in model_files(path):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def gzipped_size_bytes(path: Path) -> int:
    """Size in bytes of the file after gzip at level 9, without a name or time stamp."""
    return len(gzip.compress(Path(path).read_bytes(), compresslevel=9, mtime=0))
