r"""The search compared with the default recipe and a random search of equal seconds.

    python benchmarks/search.py --work DIR [--seeds 0 1 2] [--minutes 3.25]

The data are synthetic scenes, others for each seed. The default is the student that
`compress` makes of the teacher, pruned and distilled with the defaults of every field
that is searched. The limits are latency and size of its file, plus a tenth. The search
(tree-structured Parzen estimator, Hyperband), the same without Hyperband and the random
search (without it, too) begin trials for as many minutes each, one after the other, and
none knows the number of its trials. The best student of each on the validation part
within the limits is then measured on the test part, and all files are timed once more
in one run.

Two figures of the random search, all of whose trials are trained to their end, say what
a search can learn: how well the order of trials after an epoch is that after the last
one (which Hyperband relies on), and how well their order on the validation part is that
on the test part (which every choice relies on). A benchmark that was stopped resumes.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np

_MARGIN = 1.1
_MOST_TRIALS = 400
_SPACE = {
    "student.training.learning_rate": {"float": [3e-4, 3e-2], "log": True},
    "student.training.loss.dice": {"float": [0.0, 2.0]},
    "student.kind": {"choice": ["pruned", "compact"]},
    "student.pruning.keep": {
        "float": [0.15, 0.6],
        "log": True,
        "when": {"student.kind": "pruned"},
    },
    "student.pruning.criterion": {
        "choice": ["group_norm", "l1", "taylor"],
        "when": {"student.kind": "pruned"},
    },
    "student.model.width": {
        "int": [8, 48],
        "step": 8,
        "when": {"student.kind": "compact"},
    },
    "student.model.stem_stride": {
        "choice": [2, 4],
        "when": {"student.kind": "compact"},
    },
}
_ROWS = {
    "default": "default recipe",
    "random": "random search",
    "tpe": "search",
    "no_hyperband": "search without Hyperband",
}
_ARMS = {
    "random": {"sampler": "random", "scheduler": "none"},
    "tpe": {},
    "no_hyperband": {"scheduler": "none"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=3.25)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    from segshrink.records import this_machine

    runs: list[dict] = []
    seconds = None
    for seed in arguments.seeds:
        runs.append(run(arguments.work / f"seed-{seed}", seed, arguments))
        seconds = seconds or seconds_of_trial(arguments.work / f"seed-{seed}")
        found = {
            "machine": this_machine().as_plain(),
            "minutes": arguments.minutes,
            "workers": arguments.workers,
            "space": _SPACE,
            "recipe": recipe(0),
            "seconds_of_default_trial": seconds,
            "runs": runs,
        }
        (arguments.out / "search.json").write_text(json.dumps(found, indent=2) + "\n")
        (arguments.out / "search.md").write_text(table(found))
        print(table(found), flush=True)


def recipe(seed: int) -> dict:
    training = {"tiles_per_epoch": 96, "batch_size": 8}
    return {
        "seed": seed,
        "data": {
            "source": "synthetic",
            "scenes": 16,
            "scene_px": 256,
            "tile_px": 64,
            "split_seed": seed,
        },
        "teacher": {
            "model": {"base_filters": 12, "levels": 3, "dropout": 0.0},
            "training": {**training, "epochs": 20},
        },
        "student": {"training": {**training, "epochs": 5}},
        "export": {"calibration_tiles": 16, "onnx": False, "max_drop": 100.0},
        "measuring": {"rounds": 9},
    }


def run(work: Path, seed: int, arguments: argparse.Namespace) -> dict:
    """The three rows of one seed, and what its searches show."""
    default = searched(work / "default", seed, trials=1, workers=1, scheduler="none")
    trial = default["trials"][0]
    limits = {
        "latency_ms": round(_MARGIN * trial["latency_ms"], 4),
        "size_bytes": round(_MARGIN * trial["size_bytes"]),
    }
    teacher = {"teacher": {"file": str(work / "default" / "teacher" / "model.keras")}}
    common = {
        "trials": _MOST_TRIALS,
        "minutes": arguments.minutes,
        "workers": arguments.workers,
        "limits": limits,
        "changes": teacher,
    }
    found = {"default": default}
    # In turns, so that a machine that slows down favours none.
    for name in list(_ARMS)[:: -1 if seed % 2 else 1]:
        found[name] = searched(work / name, seed, **common, **_ARMS[name])
    return {
        "seed": seed,
        "limits": limits,
        "teacher": default["teacher"],
        "rows": rows_of(work, seed, found),
        "searches": {name: figures_of(found[name]) for name in _ARMS},
        "orders": orders_of(work / "random", seed, found["random"]["trials"]),
    }


def rows_of(work: Path, seed: int, found: dict) -> dict:
    """The best of each search on the test part, and its latency beside the others."""
    from segshrink.measuring import measure_latency

    files = {
        name: work / name / best_of(record)["file"] for name, record in found.items()
    }
    latency = measure_latency(list(files.values()), rounds=25)
    rows = {}
    for name, record in found.items():
        best = best_of(record)
        rows[name] = {
            "val_miou": best["miou"],
            "test_miou": test_miou(files[name], seed),
            "latency_ms": latency[files[name]].median_ms,
            "size_bytes": best["size_bytes"],
            "trial": best["number"],
            "values": best["values"],
        }
    return rows


def test_miou(file: Path, seed: int) -> float:
    from segshrink.data import open_dataset
    from segshrink.measuring import measure_quality
    from segshrink.runtimes import load_artifact

    data = recipe(seed)["data"]
    dataset = open_dataset(
        "synthetic", seed=seed, scenes=data["scenes"], scene_px=data["scene_px"]
    )
    quality = measure_quality(load_artifact(file), dataset.test, dataset.classes)
    return quality.mean_iou


def figures_of(record: dict) -> dict:
    return {
        "trials": len(record["trials"]),
        "states": counted(record["trials"]),
        "seconds": record["seconds"],
        "trial_seconds": record["trial_seconds"],
        "scheduling_seconds": record["scheduling_seconds"],
    }


def orders_of(out: Path, seed: int, trials: list[dict]) -> dict:
    """Rank correlations over the trials of a search that were trained to their end."""
    ended = [trial for trial in trials if trial["state"] == "complete"]
    last = [trial["miou"] for trial in ended]
    epochs = range(len(ended[0]["epochs"]))
    tests = [
        test_miou(out / "trials" / f"{trial['number']:03d}" / "student.tflite", seed)
        for trial in ended
    ]
    return {
        "trials": len(ended),
        "after_epochs": [
            rank_correlation([trial["epochs"][epoch] for trial in ended], last)
            for epoch in epochs
        ],
        "test": rank_correlation(last, tests),
    }


def rank_correlation(first: list[float], second: list[float]) -> float:
    """Spearman's coefficient, in [-1, 1]."""
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    return round(float(np.corrcoef(*ranks)[0, 1]), 4)


def seconds_of_trial(work: Path) -> dict:
    """Seconds of the trial of the default, in a fresh process and in a used one."""
    from segshrink.search.processes import LocalWorkers

    original = work / "default" / "trials" / "000"
    workers, found = LocalWorkers(1), {}
    for name in ("fresh", "used"):
        folder = work / "timed" / f"{name}-{time.time_ns()}"
        folder.mkdir(parents=True)
        for file in ("recipe.yaml", "job.json"):
            (folder / file).write_text((original / file).read_text())
        began = time.monotonic()
        handle = workers.start(folder, 0)
        while (code := handle.poll()) is None:
            time.sleep(0.02)
        if code:
            raise SystemExit(f"{folder}/output.log: the trial failed.")
        found[name] = round(time.monotonic() - began, 2)
    workers.close()
    return found


def searched(
    out: Path,
    seed: int,
    *,
    trials: int,
    workers: int,
    changes: dict | None = None,
    **options: object,
) -> dict:
    """The record of a search, which runs unless the record is there."""
    from segshrink.errors import TrainingError
    from segshrink.search import search
    from segshrink.search.space import parse_search_recipe

    search_recipe = {**recipe(seed), **(changes or {})}
    search_recipe["search"] = {"trials": trials, "space": _SPACE, **options}
    try:
        search(parse_search_recipe(search_recipe), out, workers=workers)
    except TrainingError as error:
        print(error)
    return json.loads((out / "search.json").read_text())


def best_of(record: dict) -> dict:
    return next(
        trial for trial in record["trials"] if trial["number"] == record["best"]
    )


def counted(trials: list[dict]) -> dict[str, int]:
    states = [trial["state"] for trial in trials]
    return {state: states.count(state) for state in sorted(set(states))}


def table(found: dict) -> str:
    machine, runs = found["machine"], found["runs"]
    share = statistics.mean(
        each["searches"]["tpe"]["scheduling_seconds"]
        / each["searches"]["tpe"]["trial_seconds"]
        for each in runs
    )
    won = sum(
        each["rows"]["tpe"]["test_miou"] > each["rows"]["random"]["test_miou"]
        for each in runs
    )
    seconds = found["seconds_of_default_trial"]
    early = [each["orders"]["after_epochs"] for each in runs]
    means = [statistics.mean(values) for values in zip(*early, strict=True)]
    test = statistics.mean(each["orders"]["test"] for each in runs)
    lines = [
        f"Students of a U-Net (12 filters) on synthetic scenes, {len(runs)} seed(s), "
        f"int8 LiteRT files; mIoU in % of the test part, mean and range, of what was "
        f"best on the validation part within latency and size of the default recipe's "
        f"file and a tenth. {machine['processor']}, {machine['cores']} cores, "
        f"{found['workers']} workers. All begin trials for "
        f"{found['minutes']:g} minutes. The search beats the random search on the test "
        f"part in {won} of {len(runs)} seed(s). The trial of the default takes "
        f"{seconds['fresh']:.1f} s in a fresh process and {seconds['used']:.1f} s in "
        f"one that had a trial before; between trials the workers wait "
        f"{100 * share:.1f} % of the time in trials. Rank correlation of the random "
        f"search's trials after 1, 2, ... epochs with their files: "
        f"{', '.join(f'{x:.2f}' for x in means)}; of validation and test part: "
        f"{test:.2f}.",
        "",
        "| | trials | mIoU, test | over the default | mIoU, validation "
        "| latency, share of the limit |",
        "|---|---:|---|---|---|---|",
    ]
    for name, label in _ROWS.items():
        if name not in runs[0]["rows"]:
            continue  # A record from before this row was added.
        rows = [each["rows"][name] for each in runs]
        base = [each["rows"]["default"] for each in runs]
        trials = [
            each["searches"][name]["trials"] if name in each["searches"] else 1
            for each in runs
        ]
        test = [100 * row["test_miou"] for row in rows]
        val = [100 * row["val_miou"] for row in rows]
        gains = [
            100 * (row["test_miou"] - b["test_miou"])
            for row, b in zip(rows, base, strict=True)
        ]
        ratios = [
            row["latency_ms"] / each["limits"]["latency_ms"]
            for row, each in zip(rows, runs, strict=True)
        ]
        gain = "" if name == "default" else ", ".join(f"{x:+.1f}" for x in gains)
        lines.append(
            f"| {label} | {statistics.mean(trials):.0f} | {ranged(test)} | {gain} | "
            f"{ranged(val)} | {ranged(ratios, 2)} |"
        )
    return "\n".join(lines) + "\n"


def ranged(values: list[float], digits: int = 1) -> str:
    mean = statistics.mean(values)
    return f"{mean:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
