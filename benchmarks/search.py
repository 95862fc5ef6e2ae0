r"""A search compared with the default recipe and a random search, at equal compute.

    python benchmarks/search.py --work DIR [--seeds 0 1 2] [--trials 20]

The data are synthetic scenes, others for each seed. The default is the student that
`compress` makes of the teacher, pruned and distilled with the defaults of every field
that is searched. The limit is the latency of its file, plus a tenth for the variation
of timing. The search (tree-structured Parzen estimator, Hyperband) gets a fixed number
of trials; the random search (no Hyperband) begins trials for as many minutes. The best
student of each on the validation part within the limit is then measured on the test
part, and the three files are timed once more in one run. A benchmark that was stopped
resumes.
"""

import argparse
import json
import statistics
from pathlib import Path

_MARGIN = 1.1
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
_ROWS = {"default": "default recipe", "random": "random search", "tpe": "search"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    from segshrink.records import this_machine

    runs = []
    for seed in arguments.seeds:
        runs.append(run(arguments.work / f"seed-{seed}", seed, arguments))
        found = {
            "machine": this_machine().as_plain(),
            "trials": arguments.trials,
            "workers": arguments.workers,
            "space": _SPACE,
            "recipe": recipe(0),
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
            "tile_px": 128,
            "split_seed": seed,
        },
        "teacher": {
            "model": {"base_filters": 12, "levels": 3, "dropout": 0.0},
            "training": {**training, "epochs": 20},
        },
        "student": {"training": {**training, "epochs": 6}},
        "export": {"calibration_tiles": 16, "onnx": False, "max_drop": 100.0},
        "measuring": {"rounds": 9},
    }


def run(work: Path, seed: int, arguments: argparse.Namespace) -> dict:
    """The three rows of one seed, and the time that the searches took."""
    from segshrink.data import open_dataset
    from segshrink.measuring import measure_latency, measure_quality
    from segshrink.runtimes import load_artifact

    default = searched(work / "default", seed, trials=1, workers=1, scheduler="none")
    trial = default["trials"][0]
    limits = {"latency_ms": round(_MARGIN * trial["latency_ms"], 4)}
    teacher = {"teacher": {"file": str(work / "default" / "teacher" / "model.keras")}}
    common = {"workers": arguments.workers, "limits": limits, "changes": teacher}
    tpe = searched(work / "tpe", seed, trials=arguments.trials, **common)
    minutes = round(tpe["seconds"] / 60, 3)
    random = searched(
        work / "random",
        seed,
        trials=10 * arguments.trials,
        minutes=minutes,
        sampler="random",
        scheduler="none",
        **common,
    )
    found = {"default": default, "random": random, "tpe": tpe}
    files = {
        name: work / name / best_of(record)["file"] for name, record in found.items()
    }
    latency = measure_latency(list(files.values()), rounds=25)
    data = recipe(seed)["data"]
    dataset = open_dataset(
        "synthetic", seed=seed, scenes=data["scenes"], scene_px=data["scene_px"]
    )
    rows = {}
    for name, record in found.items():
        best = best_of(record)
        quality = measure_quality(
            load_artifact(files[name]), dataset.test, dataset.classes
        )
        rows[name] = {
            "val_miou": best["miou"],
            "test_miou": quality.mean_iou,
            "latency_ms": latency[files[name]].median_ms,
            "size_bytes": best["size_bytes"],
            "trial": best["number"],
            "values": best["values"],
        }
    return {
        "seed": seed,
        "limit_ms": limits["latency_ms"],
        "teacher": tpe["teacher"],
        "rows": rows,
        "searches": {
            name: {
                "trials": len(record["trials"]),
                "states": counted(record["trials"]),
                "seconds": record["seconds"],
                "trial_seconds": record["trial_seconds"],
                "scheduling_seconds": record["scheduling_seconds"],
            }
            for name, record in (("random", random), ("tpe", tpe))
        },
    }


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
    minutes = [each["searches"]["tpe"]["seconds"] / 60 for each in runs]
    won = sum(
        each["rows"]["tpe"]["test_miou"] > each["rows"]["default"]["test_miou"]
        for each in runs
    )
    lines = [
        f"Students of a U-Net (12 filters) on synthetic scenes, {len(runs)} seed(s), "
        f"int8 LiteRT files; mIoU in % of the test part, mean and range, of what was "
        f"best on the validation part within the latency of the default recipe's file "
        f"and a tenth. {machine['processor']}, {machine['cores']} cores, "
        f"{found['workers']} workers. The search has {found['trials']} trials "
        f"({min(minutes):.1f} to {max(minutes):.1f} minutes), the random search as "
        f"many minutes. The search beats the default in {won} of {len(runs)} seed(s); "
        f"between trials its workers wait {100 * share:.1f} % of the time in trials.",
        "",
        "| | trials | mIoU, test | over the default | mIoU, validation "
        "| latency, share of the limit |",
        "|---|---:|---|---|---|---|",
    ]
    for name, label in _ROWS.items():
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
            row["latency_ms"] / each["limit_ms"]
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
