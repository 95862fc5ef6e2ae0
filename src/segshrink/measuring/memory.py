"""Memory that running a model file takes, of a process that does nothing else.

The process is `python -m segshrink.measuring.memory FILE THREADS`.
"""

import json
import subprocess
import sys
from pathlib import Path

from segshrink.errors import SegshrinkError, UsageError

_PREDICTIONS = 3


def measure_memory(path: Path | str, *, threads: int = 1) -> dict[str, int]:
    """Peak memory of a fresh process that opens a file and predicts with it.

    Args:
        path: a file that `load_artifact` opens.
        threads: int >= 1, as for `load_artifact`.

    Returns:
        `{"peak_bytes": int, "model_bytes": int}`: resident memory at its highest, and
        how much of it came after the runtime had been imported.

    Raises:
        SegshrinkError: if the file cannot be opened.
        UsageError: if the process ended otherwise than it should.
    """
    finished = subprocess.run(
        [sys.executable, "-m", __name__, str(path), str(threads)],
        capture_output=True,
        text=True,
    )
    lines = finished.stdout.splitlines()
    if finished.returncode == 0 and lines:
        found: dict[str, int] = json.loads(lines[-1])
        return found
    reason = (finished.stderr.strip().splitlines() or ["it said nothing"])[-1]
    raise UsageError(f"{path}: its memory could not be measured ({reason}).")


def _peak_bytes() -> int:
    """Highest resident memory of this process so far."""
    try:
        # Not ru_maxrss, which a process inherits from the one that started it.
        status = Path("/proc/self/status").read_text()
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak
    line = next(x for x in status.splitlines() if x.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def _import_runtime(suffix: str) -> None:
    if suffix == ".tflite":
        import ai_edge_litert.interpreter  # noqa: F401
    elif suffix == ".onnx":
        import onnxruntime  # noqa: F401
    elif suffix == ".xml":
        import openvino  # noqa: F401
    else:
        import keras  # noqa: F401


def main(arguments: list[str]) -> int:
    """Run one file and print what it took; see the module's text."""
    import numpy as np

    from segshrink.runtimes import load_artifact

    path, threads = Path(arguments[0]), int(arguments[1])
    try:
        _import_runtime(path.suffix)
        before = _peak_bytes()
        artifact = load_artifact(path, threads=threads)
        image = np.zeros((1, *artifact.input_shape, 3), np.uint8)
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
