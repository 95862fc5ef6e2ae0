"""Model files from elsewhere are first run in another process.

Runtimes trust their files: a damaged one can crash the process that opens it, or ask
for all of its memory. A file that segshrink wrote, and whose checksum fits, is opened
at once.
"""

import json
import os
import signal
import subprocess
import sys
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from segshrink.errors import ModelError
from segshrink.export.checksum import Checksum, checksum_of
from segshrink.formats import Format

_SCRIPT = Path(__file__).with_name("trial_run.py")
_SECONDS = 120
# What a file may take beside a multiple of its own size, if the machine has it.
_MOST_BYTES = 8 << 30
_MOST_TIMES = 10


def require_sound(path: Path, format: Format, threads: int) -> None:
    """Refuse a damaged file before this process opens it.

    Args:
        path: an exported file.
        format: its format.
        threads: int >= 1, threads to run it with.

    Raises:
        ModelError: if its checksum does not fit or, without one, if it cannot be opened
            and run once within two minutes and a share of the machine's memory.
    """
    suffix = format.weights_suffix
    if suffix is not None and not path.with_suffix(suffix).is_file():
        return  # told by who opens it
    checksum = checksum_of(path)
    if checksum is Checksum.DIFFERS:
        raise ModelError(
            f"{path}: damaged, its bytes are not those that were written (its checksum "
            "does not fit). Copy or export it again; a tool that changes such files on "
            "purpose must drop their metadata called segshrink."
        )
    if checksum is Checksum.MISSING and _is_installed(format):
        status = path.stat()
        _run_once(str(path), format, threads, status.st_size, status.st_mtime_ns)


def _is_installed(format: Format) -> bool:
    """Whether there is a runtime; who opens the file says if there is none."""
    try:
        import_module(format.runtime_module)
    except ImportError:
        return False
    return True


@lru_cache(maxsize=64)
def _run_once(path: str, format: Format, threads: int, size_bytes: int, _: int) -> None:
    """Run a file in another process; once while its size and time stay the same."""
    most = min(_memory_bytes() // 2, _MOST_BYTES + _MOST_TIMES * size_bytes)
    arguments = [str(format), str(threads), str(most), path]
    try:
        finished = subprocess.run(
            [sys.executable, "-P", str(_SCRIPT), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        fault: str | None = f"it takes more than {_SECONDS} s for one image"
    else:
        fault = _fault(finished.returncode, finished.stdout)
    if fault is not None:
        raise ModelError(
            f"{path}: not a readable {format.label} file ({fault}). Export it again."
        )


def _fault(code: int, printed: bytes) -> str | None:
    lines = printed.decode(errors="replace").strip().splitlines()
    if code == 0 and lines:
        fault: str | None = json.loads(lines[-1]).get("fault")
        return fault
    if code < 0:
        return f"its runtime crashes of it with {signal.Signals(-code).name}"
    return "its runtime ends without an answer"


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 4 << 30
