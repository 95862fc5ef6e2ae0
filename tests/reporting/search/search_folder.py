"""Builds records of made-up searches, as test input for reports."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from segshrink.records.search import SearchRecord

SPACE: dict[str, dict[str, Any]] = {
    "student.training.learning_rate": {"float": [2.0e-4, 1.0e-2], "log": True},
    "student.training.batch_size": {"int": [1, 32], "log": True},
    "student.kind": {"choice": ["pruned", "compact"]},
    "student.model.width": {
        "int": [16, 64],
        "step": 8,
        "when": {"student.kind": "compact"},
    },
    "student.pruning.keep_channels": {
        "float": [0.2, 0.8],
        "when": {"student.kind": "pruned"},
    },
    "student.distillation.losses": {
        "choice": [{"channel_wise": 3.0}, {"pixel_kl": 1.0}, {"dist": 1.0}]
    },
}
IMPORTANCE = {
    "student.training.learning_rate": 0.52,
    "student.kind": 0.21,
    "student.pruning.keep_channels": 0.14,
    "student.distillation.losses": 0.08,
    "student.model.width": 0.046,
    "student.training.batch_size": 0.004,
}


def trial_record(number: int, **changes: Any) -> dict[str, Any]:
    """A complete trial; `changes` replace entries."""
    trial = {
        "number": number,
        "state": "complete",
        "is_default": False,
        "reason": None,
        "values": {
            "student.training.learning_rate": 0.003,
            "student.training.batch_size": 8,
            "student.kind": "pruned",
            "student.pruning.keep_channels": 0.5,
            "student.distillation.losses": {"channel_wise": 3.0},
        },
        "miou": 0.6,
        "val_loss": 0.8,
        "latency_ms": 4.0,
        "size_bytes": 150_000,
        "macs": 200_000_000,
        "parameters": 130_000,
        "is_feasible": True,
        "epochs": [0.3, 0.5, 0.6],
        "seconds": 30.0,
        "file": f"artifacts/trial-{number:03}.tflite",
    }
    return copy.deepcopy({**trial, **changes})


def unmeasured(number: int, state: str, reason: str, **changes: Any) -> dict[str, Any]:
    """A trial that came to no file."""
    nothing = dict.fromkeys(
        ("miou", "val_loss", "latency_ms", "size_bytes", "macs", "parameters", "file")
    )
    what = {"state": state, "reason": reason, "epochs": [], "seconds": 2.5}
    return trial_record(number, **{**nothing, **what, **changes})


def only(record: dict[str, Any], *numbers: int, **changes: Any) -> dict[str, Any]:
    """The search with these trials alone; nothing is chosen unless `changes` say so."""
    trials = [each for each in record["trials"] if each["number"] in numbers]
    nothing = {"trials": trials, "best": None, "front": [], "importance": {}}
    return {**record, **nothing, **changes}


def small_search(**changes: Any) -> dict[str, Any]:
    """Seven trials of every kind with numbers that are easy to reckon with."""
    trials = [
        trial_record(0, is_default=True, miou=0.61, latency_ms=4.4, size_bytes=190_000),
        trial_record(1, miou=0.55, latency_ms=2.0, size_bytes=80_000),
        trial_record(2, miou=0.64, latency_ms=6.1, is_feasible=False),
        unmeasured(3, "pruned", "stopped in epoch 2", epochs=[0.2, 0.31], seconds=12.0),
        trial_record(4, miou=0.63, latency_ms=4.2, size_bytes=180_000, seconds=41.0),
        unmeasured(5, "skipped", "6.32 ms is over the limit of 5.00 ms", seconds=1.5),
        unmeasured(6, "failed", "the loss became no number in epoch 1", seconds=3.0),
    ]
    return copy.deepcopy({**_facts(), "trials": trials, **changes})


def _facts() -> dict[str, Any]:
    return {
        "format": 1,
        "objective": "miou",
        "of": "student",
        "limits": {"latency_ms": 5.0, "size_bytes": 200_000},
        "sampler": "tpe",
        "scheduler": "hyperband",
        "trials_wanted": 7,
        "seed": 0,
        "workers": 2,
        "threads": 1,
        "data": {
            "name": "aerial",
            "split": {
                "source": "file by_tile.json",
                "train": ["Tile 1", "Tile 4"],
                "val": ["Tile 3"],
                "test": ["Tile 2", "Tile 5"],
            },
        },
        "machine": {
            "processor": "Example Processor 3000",
            "cores": 2,
            "system": "Linux x86_64",
            "python": "3.11.9",
        },
        "segshrink": "0.1.0",
        "runtime": "litert",
        "runtime_version": "2.1.0",
        "backend": "tensorflow",
        "seconds": 80.0,
        "trial_seconds": 148.0,
        "space": copy.deepcopy(SPACE),
        "teacher": {"miou": 0.71, "latency_ms": 31.5, "size_bytes": 1_944_000},
        "best": 4,
        "front": [1, 4],
        "importance": dict(IMPORTANCE),
    }


def large_search(count: int = 200, seed: int = 0, **changes: Any) -> dict[str, Any]:
    """As many trials as asked for, that get better as real ones do.

    With the objective `front` none is stopped early.
    """
    generator = np.random.default_rng(seed)
    objective = changes.get("objective", "miou")
    trials = [
        _drawn_trial(number, number / count, objective, generator)
        for number in range(count)
    ]
    feasible = [t for t in trials if t["state"] == "complete" and t["is_feasible"]]
    best = None
    if feasible and objective == "val_loss":
        best = min(feasible, key=lambda trial: trial["val_loss"])["number"]
    elif feasible and objective == "miou":
        best = max(feasible, key=lambda trial: trial["miou"])["number"]
    seconds = sum(trial["seconds"] for trial in trials)
    facts = {
        "trials_wanted": count,
        "trials": trials,
        "best": best,
        "front": front_of(feasible),
        "trial_seconds": seconds,
        "seconds": seconds / 2 / 0.93,
    }
    return copy.deepcopy({**_facts(), **facts, **changes})


def front_of(trials: list[dict[str, Any]]) -> list[int]:
    """Numbers of the trials that none beats, by rising latency."""
    front: list[dict[str, Any]] = []
    for trial in sorted(trials, key=lambda each: (each["latency_ms"], -each["miou"])):
        if not front or trial["miou"] > front[-1]["miou"]:
            front.append(trial)
    return [trial["number"] for trial in front]


def _drawn_trial(
    number: int, progress: float, objective: str, generator: np.random.Generator
) -> dict[str, Any]:
    values = _drawn_values(number, progress, generator)
    width = values.get("student.model.width", 64) / 64
    keep = values.get("student.pruning.keep_channels", 0.6) * width
    away = math.log10(values["student.training.learning_rate"] / 3e-3)
    miou = 0.63 - 0.16 * away**2 - 0.09 * (0.8 - keep) ** 2
    miou = float(np.clip(miou + generator.normal(0, 0.008), 0.02, 0.95))
    latency = float(1.0 + 7.5 * keep**1.5 + generator.normal(0, 0.15))
    size = int(30_000 + 260_000 * keep**2)
    feasible = latency <= 5.0 and size <= 200_000
    fate = generator.random()
    common = {"values": values, "is_default": number == 0}
    if number and latency > 6.0:
        reason = f"{latency:.2f} ms is over the limit of 5.00 ms"
        return unmeasured(number, "skipped", reason, **common, is_feasible=False)
    if number and fate < 0.04:
        return unmeasured(number, "failed", "ran out of memory", **common)
    if number and objective != "front" and fate < 0.45 and miou < 0.62:
        epochs = [miou * 0.6, miou * 0.8]
        if objective == "val_loss":
            epochs = [1.9 - value for value in epochs]
        return unmeasured(
            number, "pruned", "stopped in epoch 2 of 8", **common, epochs=epochs
        )
    return trial_record(
        number,
        **common,
        miou=miou,
        val_loss=1.5 - miou,
        latency_ms=latency,
        size_bytes=size,
        is_feasible=feasible,
        seconds=float(20 + 40 * keep),
    )


def _drawn_values(
    number: int, progress: float, generator: np.random.Generator
) -> dict[str, Any]:
    spread = 0.75 - 0.5 * progress
    learning_rate = 10 ** generator.normal(math.log10(3e-3), spread)
    losses = SPACE["student.distillation.losses"]["choice"]
    values = {
        "student.training.learning_rate": float(np.clip(learning_rate, 2e-4, 1e-2)),
        "student.training.batch_size": int(2 ** generator.integers(0, 6)),
        "student.kind": "pruned" if generator.random() < 0.6 else "compact",
        "student.distillation.losses": losses[int(generator.integers(0, 3))],
    }
    if number == 0:
        values |= {"student.training.learning_rate": 1e-3, "student.kind": "pruned"}
    if values["student.kind"] == "compact":
        values["student.model.width"] = int(16 + 8 * generator.integers(0, 7))
    else:
        values["student.pruning.keep_channels"] = float(generator.uniform(0.2, 0.8))
    return values


def build_search_folder(folder: Path, record: dict[str, Any]) -> Path:
    """Write the record as `search.json` of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, allow_nan=False)
    (folder / "search.json").write_text(text, encoding="utf-8")
    return folder


def read_record(record: dict[str, Any]) -> SearchRecord:
    """The record as a report has it."""
    return SearchRecord.parse(record, where="search.json")
