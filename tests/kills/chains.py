"""The commands that are killed: what each needs, and which files must be equal."""

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import yaml

from e2e.scenes import NAMES, RECIPE, write_scenes

# Results of a run that hold no times: their bytes are equal.
_SAME_BYTES = (
    "**/model.keras",
    "**/plan.json",
    "**/*.tflite",
    "**/*.onnx",
    "**/*.xml",
    "**/*.bin",
    "**/quality/*.json",
    "best.yaml",
)


@dataclass(frozen=True)
class Chain:
    """A command, without `--out`, and the patterns of files that must be equal."""

    command: tuple[str, ...]
    same: tuple[str, ...] = _SAME_BYTES
    # What a search keeps depends on latencies, which differ, and a killed trial is
    # proposed again under another number: only what came out of the trials is equal.
    is_search: bool = False


def results_of(chain: Chain, folder: Path) -> dict[str, object]:
    """What must be equal, by name: hashes of files, histories and trials."""
    found: dict[str, object] = {}
    for pattern in chain.same:
        for path in sorted(folder.glob(pattern)):
            if path.is_file():
                name = path.relative_to(folder).as_posix()
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    if chain.is_search:
        found["trials"] = _trials(folder)
    else:
        for path in sorted(folder.rglob("history.csv")):
            found[path.relative_to(folder).as_posix()] = _history(path)
        found["names"] = sorted(
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file()
        )
    return found


def _history(path: Path) -> list[dict[str, str]]:
    """Rows of a history without the seconds, which differ each time."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: row[key] for key in row if key != "seconds"} for row in rows]


def _trials(folder: Path) -> list[tuple[str, int, float]]:
    found = json.loads((folder / "search.json").read_text())["trials"]
    return sorted((str(x["values"]), x["size_bytes"], x["miou"]) for x in found)


def make_chains(work: Path) -> dict[str, Chain]:
    """Write the data, recipes and models that the commands need."""
    scenes, recipe, search = work / "scenes", work / "tiny.yaml", work / "search.yaml"
    if not (scenes / "dataset.yaml").is_file():
        write_scenes(scenes)
    recipe.write_text(RECIPE)
    search.write_text(yaml.safe_dump(_search_recipe(scenes)))
    teacher, student = work / "teacher.keras", work / "student.keras"
    if not student.is_file():
        _make_models(teacher, student)
    pair = ("--teacher", str(teacher), "--student", str(student))
    return {
        "compress": Chain(("compress", str(scenes), "--recipe", str(recipe))),
        "distill": Chain(
            ("distill", str(scenes), *pair, "--recipe", str(recipe),
             "--set", "student.training.epochs=12")
        ),
        "search": Chain(
            ("search", str(scenes), "--recipe", str(search)), same=(), is_search=True
        ),
        "predict": Chain(
            ("predict", str(teacher), *_photographs(work)), same=("**/*",)
        ),
    }  # fmt: skip


def _search_recipe(scenes: Path) -> dict[str, object]:
    training = {"epochs": 3, "tiles_per_epoch": 8, "batch_size": 4}
    return {
        "seed": 5,
        "data": {"source": str(scenes), "tile_px": 64},
        "teacher": {
            "model": {"base_filters": 4, "levels": 1},
            "training": {**training, "epochs": 1},
        },
        "student": {"kind": "compact", "training": training},
        "export": {"calibration_tiles": 8, "onnx": False, "max_drop": 100},
        "measuring": {"rounds": 3},
        "search": {
            "trials": 3,
            "scheduler": "none",
            "space": {
                "student.training.learning_rate": {"float": [1e-4, 1e-2], "log": True},
                "student.model.width": {"int": [8, 32], "step": 8},
            },
        },
    }


def _make_models(teacher: Path, student: Path) -> None:
    import keras

    from segshrink.models import build_model

    keras.utils.set_random_seed(1)
    for path, filters in ((teacher, 8), (student, 4)):
        shape = {"num_classes": len(NAMES), "input_shape": (64, 64, 3)}
        build_model("unet", base_filters=filters, levels=1, **shape).save(path)


def _photographs(work: Path) -> list[str]:
    """Photographs that take a second each, so that kills fall between and within."""
    import numpy as np
    from PIL import Image

    folder = work / "photographs"
    folder.mkdir(exist_ok=True)
    noise = np.random.default_rng(0)
    for number in range(8):
        path = folder / f"{number}.png"
        if not path.is_file():
            pixels = noise.integers(0, 256, (700, 900, 3), np.uint8)
            Image.fromarray(pixels).save(path)
    return [str(folder)]
