"""Memory that running a model file takes, in a process that does nothing else.

The process is `python -m segshrink.measuring.memory FILE THREADS HEAD ARCHITECTURE`,
where an empty argument is none.
"""

import importlib
import json
import subprocess
import sys
from pathlib import Path

from segshrink.errors import SegshrinkError, UsageError
from segshrink.formats import Format
from segshrink.records.benchmark import Memory
from segshrink.runtimes import Opening

_PREDICTIONS = 3


def measure_memory(
    path: Path | str, *, threads: int = 1, opening: Opening | None = None
) -> Memory:
    """Peak memory of a fresh process that opens a file and predicts with it.

    Args:
        path: a file that `load_artifact` opens.
        threads: int >= 1, as for `load_artifact`.
        opening: how the file is opened.

    Returns:
        Resident memory at its highest, and the part of it that came after the runtime
        had been imported.

    Raises:
        UsageError: if the file cannot be opened or the process failed.
    """
    opening = opening or Opening()
    chosen = [opening.head or "", str(opening.architecture or "")]
    finished = subprocess.run(
        [sys.executable, "-m", __name__, str(path), str(threads), *chosen],
        capture_output=True,
        text=True,
    )
    lines = finished.stdout.splitlines()
    if finished.returncode == 0 and lines:
        return Memory.parse(json.loads(lines[-1]) | {"threads": threads}, where=path)
    reason = (finished.stderr.strip().splitlines() or ["it printed nothing"])[-1]
    raise UsageError(f"{path}: its memory could not be measured ({reason}).")


def _peak_bytes() -> int:
    """Highest resident memory of this process so far."""
    try:
        # A process inherits ru_maxrss from the one that started it.
        status = Path("/proc/self/status").read_text()
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak
    line = next(x for x in status.splitlines() if x.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def main(arguments: list[str]) -> int:
    """Run one file and print the memory that it took; see the module's docstring."""
    import numpy as np

    path, threads, head, architecture = arguments
    opening = Opening(
        head=head or None, architecture=Path(architecture) if architecture else None
    )
    try:
        format = Format.of_file(path)
        if format is not None:
            importlib.import_module(format.runtime_module)
        before = _peak_bytes()
        artifact = opening.load(path, threads=int(threads))
        image = np.zeros((1, *artifact.input_shape, artifact.num_bands), np.uint8)
        for _ in range(_PREDICTIONS):
            artifact.predict(image)
    except (SegshrinkError, ImportError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    peak = _peak_bytes()
    sys.stdout.write(
        f"\n{json.dumps({'peak_bytes': peak, 'model_bytes': peak - before})}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
