"""Names of the files of a search, and of those that it exchanges with a trial."""

from pathlib import Path

TEACHER = "teacher"
TRIALS = "trials"
ARTIFACTS = "artifacts"
RECORD = "search.json"
BEST = "best.yaml"

RECIPE = "recipe.yaml"
JOB = "job.json"
PROCESS = "process.json"
PROBE = "probe.json"
GO = "go.json"
STOP = "stop"
HISTORY = "history.csv"
RESULT = "result.json"
ERROR = "error.json"
LOCK = "lock"
LOG = "output.log"


def trial_folder(out: Path, number: int) -> Path:
    """Folder of a trial; `number` is that of `folder_number`."""
    return out / TRIALS / f"{number:03d}"
