"""Tiles a second that training takes in, for each backend and kind of training.

Every row runs `train` or `distill` as they ship, on tiles of 256 x 256, in a process of
its own; beside them a plain `keras.Model.fit` on arrays in memory. Rounds go forth and
back, so that all rows share the machine's moods. The JSON is written after each
measurement, and the same command continues where it was stopped.

    python benchmarks/training_speed.py --rounds 2 --seconds 30
    python benchmarks/training_speed.py --backends jax --batch 64      # on a GPU
    python benchmarks/training_speed.py --rows student --against ../older-checkout
    python benchmarks/training_speed.py --rounds 0                     # table only
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BACKENDS = ("tensorflow", "jax", "torch")
ROWS = {
    "plain": "compact student, plain `keras.Model.fit` on arrays in memory",
    "student": "compact student",
    "cache": "compact student, cached logits of a teacher",
    "live": "compact student, live teacher",
    "teacher": "EfficientNet-Lite2 teacher",
    "unet": "U-Net with 16 base filters",
}


def main() -> None:
    print(measured(parsed()))


def parsed(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=30, help="of each measurement")
    parser.add_argument("--batch", type=int, default=8, help="tiles of a step")
    parser.add_argument("--backends", nargs="+", default=BACKENDS, choices=BACKENDS)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS)
    parser.add_argument("--data", default="synthetic", help="a folder, or synthetic")
    parser.add_argument(
        "--against", type=Path, help="another checkout, which is measured beside this"
    )
    parser.add_argument("--limit", type=float, default=300, help="seconds of a process")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "training_speed.json"
    )
    return parser.parse_args(given)


def measured(arguments: argparse.Namespace) -> str:
    """Take the measurements that are missing; return the table of all."""
    runs = json.loads(arguments.out.read_text()) if arguments.out.is_file() else []
    if arguments.rounds:  # What failed is tried again.
        runs = [run for run in runs if "remark" not in run]
    for run in missing_runs(arguments, runs):
        runs.append(run | run_apart(run, arguments))
        arguments.out.write_text(json.dumps(runs, indent=1) + "\n")
        print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    text = table(runs)
    arguments.out.with_suffix(".md").write_text(text)
    return text


def missing_runs(arguments: argparse.Namespace, done: list[dict]) -> Iterator[dict]:
    """What describes each measurement that is not in the record."""
    others = [] if arguments.against is None else [commit(arguments.against)]
    known = {
        "machine": machine(),
        "seconds": arguments.seconds,
        "batch": arguments.batch,
        "data": Path(arguments.data).name,
    }
    for number in range(arguments.rounds):
        runs = [
            known | {"backend": backend, "row": row, "round": number, "source": source}
            for backend in arguments.backends
            for row in arguments.rows
            for source in ("this", *others)
        ]
        for run in runs if number % 2 == 0 else reversed(runs):
            if not any(run.items() <= other.items() for other in done):
                yield run


def run_apart(run: dict, arguments: argparse.Namespace) -> dict:
    """Measure in a process of its own; a remark where that fails."""
    if importlib.util.find_spec(run["backend"]) is None:
        return {"remark": "not installed"}
    source = ROOT if run["source"] == "this" else arguments.against
    environment = os.environ | {
        "KERAS_BACKEND": run["backend"],
        "PYTHONPATH": str(source.resolve() / "src"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "1",  # as the command line does
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    script = Path(__file__).with_name("one_training.py")
    choice = json.dumps(run | {"data": str(arguments.data)})
    try:
        done = subprocess.run(
            [sys.executable, str(script), choice],
            env=environment,
            capture_output=True,
            text=True,
            timeout=arguments.limit,
        )
    except subprocess.TimeoutExpired:
        return {"remark": f"took more than {arguments.limit:.0f} s"}
    if done.returncode:
        return {"remark": "failed: " + done.stderr.strip().splitlines()[-1][:160]}
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return found | {"commit": commit(source), "versions": versions()}


def commit(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return "unknown"
    return found.stdout.strip() or "unknown"


def machine() -> str:
    from segshrink.records import this_machine

    found = this_machine()
    return f"{found.processor}, {found.cores} cores"


def versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for package in ("keras", "tensorflow-cpu", "tensorflow", "jax", "torch"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            pass
    return ", ".join(found)


def table(runs: list[dict]) -> str:
    """The record as Markdown, with a row for each kind of training."""
    lines = [
        "Training speed in tiles of 256 x 256 a second: median of the rounds, each in",
        "a process of its own. Step: time of the same steps on one batch that is",
        "there already, as a share of the time of training. Busy: the device as",
        "`nvidia-smi` samples it, or the share of all cores that the process used.",
        "Travels: what a step takes from the host, per tile.",
    ]
    groups: dict[tuple, list[dict]] = {}
    for run in runs:
        key = (run["machine"], run["batch"], run["seconds"], run["data"])
        groups.setdefault(key, []).append(run)
    for (where, batch, seconds, data), group in groups.items():
        known = next((run["versions"] for run in group if "versions" in run), "")
        lines += [
            "",
            f"{where}; {known}; batches of {batch}, {seconds:g} s a round, "
            f"data: {data}.",
            "",
            "| backend | device | training | tiles/s | lowest - highest | step | busy |"
            " CPU ms a tile | travels |",
            "|---|---|---|---:|---:|---:|---:|---:|---:|",
            *_table_rows(group),
            *_ratios(group),
        ]
    return "\n".join(lines) + "\n"


def _table_rows(group: list[dict]) -> Iterator[str]:
    for key in dict.fromkeys(_key(run) for run in group):
        backend, row, source = key
        runs = [run for run in group if _key(run) == key]
        name = ROWS[row] + ("" if source == "this" else f", as of {source}")
        good = [run for run in runs if "tiles_per_second" in run]
        if not good:
            yield f"| {backend} | | {name} | {runs[-1]['remark']} | | | | | |"
            continue
        speeds = [run["tiles_per_second"] for run in good]
        middle = {
            fact: statistics.median(run[fact] for run in good)
            for fact in ("step_share", "busy", "cpu_ms_per_tile", "bytes_per_tile")
        }
        yield (
            f"| {backend} | {good[0]['device']} | {name} | "
            f"{statistics.median(speeds):.1f} | "
            f"{min(speeds):.1f} - {max(speeds):.1f} | "
            f"{middle['step_share']:.0%} | {middle['busy']:.0%} | "
            f"{middle['cpu_ms_per_tile']:.1f} | {middle['bytes_per_tile']:,.0f} B |"
        )


def _key(run: dict) -> tuple[str, str, str]:
    return run["backend"], run["row"], run["source"]


def _ratios(group: list[dict]) -> Iterator[str]:
    """Speed and work against another checkout, in the rounds that have both."""
    runs = {(*_key(run), run["round"]): run for run in group if "device" in run}
    others = dict.fromkeys(_key(run) for run in group if run["source"] != "this")
    for backend, row, source in others:
        pairs = [
            (run, runs[backend, row, source, number])
            for (*key, number), run in runs.items()
            if key == [backend, row, "this"] and (backend, row, source, number) in runs
        ]
        if pairs:
            tiles = [a["tiles_per_second"] / b["tiles_per_second"] for a, b in pairs]
            work = [a["cpu_ms_per_tile"] / b["cpu_ms_per_tile"] for a, b in pairs]
            yield ""
            yield (
                f"{ROWS[row]} on {backend}, against {source} in the same round: "
                f"{_spread(tiles)} times the tiles a second, {_spread(work)} times the "
                "processor time of a tile."
            )


def _spread(values: list[float]) -> str:
    middle = statistics.median(values)
    return f"{middle:.2f} ({min(values):.2f} - {max(values):.2f})"


if __name__ == "__main__":
    main()
