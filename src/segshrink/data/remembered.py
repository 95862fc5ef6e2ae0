"""Facts about files that are slow to find out, kept until the files change."""

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from segshrink._version import __version__
from segshrink.records import atomic_write
from segshrink.records.user_cache import user_cache

# A file that was written this short a time ago may be written again without a later
# time of change: clocks of file systems are coarse.
_SETTLED_SECONDS = 2.0
_MOST_BYTES = 1 << 30

Stamp = tuple[int, int]
"""Bytes of a file, and the time of its last change in nanoseconds."""


def stamp_of(path: Path) -> Stamp | None:
    """The stamp of a file; None if there is no such file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


class Remembered:
    """Facts about the files of one folder, kept in the user's cache directory.

    A fact counts as long as its files have the same size and time of change, and the
    same version of segshrink asks for it. What cannot be read or written is as good as
    absent: it only saves time. Several threads may ask at once.

    Args:
        root: the folder; its facts lie in a file of their own.
    """

    def __init__(self, root: Path) -> None:
        name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:32]
        self._path = user_cache() / "surveys" / f"{name}.json"
        self._facts = _read(self._path)
        self._used: dict[str, dict[str, Any]] = {}
        self._stamps: dict[Path, Stamp | None] = {}
        self._lock = threading.Lock()

    def recall(
        self,
        kind: str,
        files: Sequence[Path],
        find_out: Callable[[], Any],
    ) -> Any:
        """The fact about some files, found out anew if it is not known.

        Args:
            kind: name of the fact, with all that it depends on besides the files.
            files: the files that it depends on.
            find_out: gives the fact as plain data for JSON; None is not kept.
        """
        stamps = [self.stamp(path) for path in files]
        shown = [list(stamp) if stamp else None for stamp in stamps]
        place = "\n".join(map(str, files))
        known = self._facts.get(place, {}).get(kind)
        fact = known[1] if known and known[0] == shown else find_out()
        if fact is not None and self._are_settled(stamps):
            with self._lock:
                self._used.setdefault(place, {})[kind] = [shown, fact]
        return fact

    def stamp(self, path: Path) -> Stamp | None:
        """The stamp of a file when it was first asked about; None if it is missing."""
        if path not in self._stamps:
            self._stamps[path] = stamp_of(path)
        return self._stamps[path]

    def keep(self) -> None:
        """Write what is known of the files that were asked about, if it is new."""
        facts = {
            place: self._facts.get(place, {}) | found
            for place, found in self._used.items()
        }
        if facts == self._facts:
            return
        content = {"version": __version__, "facts": facts}
        try:
            with atomic_write(self._path) as partial:
                partial.write_text(json.dumps(content))
        except OSError:
            pass

    def _are_settled(self, stamps: Sequence[Stamp | None]) -> bool:
        latest = (time.time() - _SETTLED_SECONDS) * 1e9
        return all(stamp is not None and stamp[1] < latest for stamp in stamps)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            return {}
        content = json.loads(path.read_text())
        facts = content["facts"] if content["version"] == __version__ else {}
        return facts if isinstance(facts, dict) else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
