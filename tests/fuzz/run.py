"""The fuzzer: bad inputs for every verb that reads files, seeded and resumable.

`make fuzz` goes on where an earlier call of the same seed stopped: each outcome is a
line of a file in `--work`. With `--record`, the counts are written to that JSON file,
and as a table to the page of Markdown beside it.
"""

import argparse
import json
import os
import platform
import select
import subprocess
import sys
from collections import Counter
from pathlib import Path

from fuzz.materials import make_materials

OUTCOMES = ("clean error", "taken", "traceback", "hang", "crash", "memory")
BAD = OUTCOMES[2:]
HANG_SECONDS = 60
MOST_MEGABYTES = 1500


class Worker:
    """A process that runs cases, started again after one that hangs or crashes."""

    def __init__(self, good: Path, seed: int) -> None:
        self._command = [sys.executable, "-m", "fuzz.worker", str(good), str(seed)]
        self._process: subprocess.Popen[str] | None = None

    def outcome(self, number: int) -> dict[str, object]:
        """Run a case and return its outcome."""
        process = self._process or self._start()
        is_first = self._process is None
        self._process = process
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
        # The first case waits for imports too.
        seconds = HANG_SECONDS * (3 if is_first else 1)
        ready, _, _ = select.select([process.stdout], [], [], seconds)
        line = process.stdout.readline() if ready else ""
        if line:
            found = json.loads(line)
            if found["megabytes"] > MOST_MEGABYTES:
                found["outcome"] = "memory"
            return found
        outcome = "hang" if not ready else "crash"
        self.stop()
        return {"number": number, "outcome": outcome, "kind": None, "message": ""}

    def _start(self) -> subprocess.Popen[str]:
        environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        )
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def fuzz(inputs: int, seed: int, work: Path) -> list[dict[str, object]]:
    """Outcomes of the cases 0 to `inputs` - 1; those in `work` are not run again."""
    good, log = work / "good", work / f"seed-{seed}.jsonl"
    if not (work / "good.done").exists():
        make_materials(good)
        (work / "good.done").touch()
    lines = log.read_text().splitlines() if log.exists() else []
    found = {each["number"]: each for each in map(json.loads, lines)}
    worker = Worker(good, seed)
    try:
        with log.open("a") as file:
            for number in range(inputs):
                if number not in found:
                    found[number] = worker.outcome(number)
                    file.write(json.dumps(found[number]) + "\n")
                    file.flush()
    finally:
        worker.stop()
    return [found[number] for number in range(inputs)]


def counted(outcomes: list[dict[str, object]], seed: int) -> dict[str, object]:
    """The record of a run: how many inputs of each kind ended how."""
    from segshrink._version import __version__

    by_kind: dict[str, Counter[str]] = {}
    for each in outcomes:
        kind = str(each["kind"] or "unknown")
        by_kind.setdefault(kind, Counter())[str(each["outcome"])] += 1
    total = Counter(str(each["outcome"]) for each in outcomes)
    return {
        "segshrink": __version__,
        "python": platform.python_version(),
        "seed": seed,
        "inputs": len(outcomes),
        "outcomes": {name: total[name] for name in OUTCOMES},
        "kinds": {
            kind: {name: by_kind[kind][name] for name in OUTCOMES}
            for kind in sorted(by_kind)
        },
    }


def table_of(record: dict[str, object]) -> str:
    """The record as a page of Markdown."""
    heads = ["input", *OUTCOMES]
    rows = [[kind, *map(str, each.values())] for kind, each in record["kinds"].items()]
    total = ["all", *(f"{count:,}" for count in record["outcomes"].values())]
    lines = [heads, ["---", *["---:"] * len(OUTCOMES)], *rows, total]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return (
        f"{record['inputs']:,} inputs of seed {record['seed']}, on Python "
        f"{record['python']}:\n\n{table}\n"
    )


def main() -> int:
    """Run the fuzzer; the exit code is 1 if an input ended badly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    outcomes = fuzz(options.inputs, options.seed, options.work)
    record = counted(outcomes, options.seed)
    text = json.dumps(record, indent=2) + "\n"
    sys.stdout.write(text)
    if options.record is not None:
        options.record.write_text(text)
        options.record.with_suffix(".md").write_text(table_of(record))
    bad = [each for each in outcomes if each["outcome"] in BAD]
    for each in bad:
        sys.stdout.write(f"\n{each}\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
