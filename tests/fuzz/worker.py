"""Runs one case after the other in this process, which a case may crash.

The process is `python -m fuzz.worker GOOD SEED`. It reads numbers of cases from
standard input, and writes a line of JSON for each.
"""

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from unittest import mock

from fuzz.cases import make_case


def outcome_of(number: int, seed: int, good: Path) -> dict[str, object]:
    """Run a case, and say how it ended."""
    folder = Path(tempfile.mkdtemp(prefix="segshrink-fuzz-"))
    kind = arguments = None
    try:
        kind, arguments = make_case(number, seed, good, folder)
        _reset_peak()
        before = _peak_bytes()
        code, message = _typed(arguments)
        outcome = {0: "taken", 1: "clean error", 2: "clean error"}.get(
            code, "other code"
        )
        if code is None:
            outcome = "traceback"
        more_bytes = _peak_bytes() - before
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "number": number,
        "kind": kind,
        "verb": arguments[0],
        "outcome": outcome,
        "megabytes": more_bytes >> 20,
        "message": message[-1500:],
    }


def _typed(arguments: list[str]) -> tuple[int | None, str]:
    """Exit code and messages; None for an exception that left the command line."""
    from segshrink.cli import main

    out, errors = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["segshrink", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        warnings.catch_warnings(),
    ):
        try:
            main()
        except SystemExit as leaving:
            # Text as a code would be printed, as none of ours does.
            return int(leaving.code or 0), errors.getvalue()
        except BaseException:
            return None, traceback.format_exc()
    return 0, errors.getvalue()


def _reset_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_bytes() -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * int(next(x for x in lines if x.startswith("VmHWM:")).split()[1])


def main() -> None:
    """Answer each number on standard input; see the module's docstring."""
    good, seed = Path(sys.argv[1]), int(sys.argv[2])
    # Imports take long on a busy machine, which is no fault of the first .keras file.
    import keras  # noqa: F401

    # What a runtime prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin:
        answers.write(json.dumps(outcome_of(int(line), seed, good)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
