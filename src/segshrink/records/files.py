"""Atomic writes, locks and digests of the files of a run.

Every file is written beside its final name and renamed, so that a reader, or a run
that resumes after a kill, never sees half of one.
"""

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from segshrink.errors import RunFolderError

_PARTIAL = ".partial"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` that takes its name when the block ends well.

    The temporary name keeps the suffix, since writers such as Keras go by it. When the
    block raises, the temporary file or folder is removed and `path` stays as it was.

    Raises:
        OSError: as the block raises it, but always with the name of a file.
    """
    path = Path(path)
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
        # A full disk is met in the middle of a file, where its name is not known.
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        _remove(partial)


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
        path: file of the lock; made if missing, and left.
        wait: whether to wait for it.

    Yields:
        Whether it is held, which without waiting it may not be. Always, on systems that
        have no such locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            import fcntl
        except ImportError:
            yield True
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


@contextmanager
def exclusive_folder(
    folder: Path, *, instead: str = "name another folder"
) -> Iterator[None]:
    """Hold a folder, so that no other process writes the same files.

    Args:
        folder: what is held.
        instead: what a second one is told to do, if it does not wait.

    Raises:
        RunFolderError: if another process holds it.
    """
    path = folder / ".lock"
    with locked(path, wait=False) as is_alone:
        if not is_alone:
            raise RunFolderError(
                f"{folder}: another process works in this folder. Wait until it ends, "
                f"or {instead}."
            )
        try:
            yield
        finally:
            # Nobody waits for it, and results are to be all that is left.
            with suppress(OSError):
                path.unlink()


def write_json(path: Path, record: Any) -> None:
    """Write `record` as indented JSON, whole or not at all; NaN is refused."""
    text = json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read one record.

    Raises:
        RunFolderError: if the file is missing or is no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunFolderError(
            f"{path}: this record is missing. Run its stage."
        ) from None
    except (ValueError, OSError) as error:
        raise RunFolderError(
            f"{path}: not a readable record ({error}). "
            "Delete it and run its stage again."
        ) from error


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def model_files(path: Path) -> list[Path]:
    """The files that a model consists of.

    Of an OpenVINO `.xml`, which holds the graph only, also the `.bin` with its weights,
    where it is there.
    """
    path = Path(path)
    weights = path.with_suffix(".bin")
    return [path, weights] if path.suffix == ".xml" and weights.is_file() else [path]


def model_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of the bytes of all files of a model, one after the other."""
    digest = hashlib.sha256()
    for file in model_files(path):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def gzipped_size_bytes(path: Path) -> int:
    """Size in bytes of the file after gzip at level 9, without a name or time stamp."""
    return len(gzip.compress(Path(path).read_bytes(), compresslevel=9, mtime=0))
