"""Peak multiplication rate of this machine, to judge how well a file uses it."""

import json
import os
import subprocess
import sys

from segshrink.errors import UsageError

_SIDE = 1024
_REPEATS = 8
# The libraries of linear algebra that NumPy may be built with read these at start.
_THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_PROGRAM = f"""
import json, time
import numpy as np
a = np.random.default_rng(0).random(({_SIDE}, {_SIDE}), dtype=np.float32)
a @ a
best = min(
    (lambda start: (a @ a, time.perf_counter() - start)[1])(time.perf_counter())
    for _ in range({_REPEATS})
)
print(json.dumps({_SIDE}**3 / best))
"""


def measure_peak_macs(*, threads: int = 1) -> float:
    """Multiply-accumulates per second of a large float32 matrix product in NumPy.

    It is the best of several products in a process of its own, since the number of
    threads is settled when a process starts. Few networks come near it; integer
    arithmetic can exceed it.

    Args:
        threads: int >= 1.

    Returns:
        MACs per second.

    Raises:
        UsageError: if the process failed.
    """
    environment = os.environ | dict.fromkeys(_THREAD_VARIABLES, str(threads))
    finished = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
    )
    if finished.returncode != 0:
        reason = (finished.stderr.strip().splitlines() or ["no message"])[-1]
        raise UsageError(f"the machine's peak could not be measured ({reason}).")
    return float(json.loads(finished.stdout))
