"""All that is worth measuring on an accelerator, in one command of a few minutes.

First the table of `training_speed.py` on JAX; then, with `--data` and `--teachers`,
students of whole tiles side by side: on labels alone, and distilled from a teacher that
sees the very tiles that they see. It needs JAX, Keras, NumPy, Pillow, PyYAML, pydantic,
rich and typer, and neither TensorFlow nor a package registry. The same command goes on
where it was stopped. `--out` then holds `training_speed.json` and `.md`,
`trainings.csv`, and the history and the result of each training.

    PYTHONPATH=src python benchmarks/accelerator.py --out DIR --data AERIAL --teachers T

AERIAL is the folder that holds `Tile 1` to `Tile 8`. T holds `whole_tiles.npz`, the
weights of an EfficientNet-Lite2 U-Net: arrays in the order of their sorted names.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import training_speed

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("alone", "distilled")
_TILE_PX = 256


def main() -> None:
    arguments = parsed()
    os.environ |= {"KERAS_BACKEND": "jax", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    if arguments.one:
        train_one(json.loads(arguments.one))
        return
    end = time.monotonic() + 60 * arguments.minutes
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.rounds:
        print(speeds(arguments), flush=True)
    if arguments.data and arguments.teachers:
        train_side_by_side(arguments, end)
        print((arguments.out / "trainings.csv").read_text())


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="folder of the aerial tiles")
    parser.add_argument("--teachers", type=Path, help="folder with whole_tiles.npz")
    parser.add_argument("--minutes", type=float, default=5.5, help="for all of it")
    parser.add_argument("--rounds", type=int, default=1, help="of the speed table")
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement")
    parser.add_argument("--rows", nargs="+", default=list(training_speed.ROWS))
    parser.add_argument("--batch", type=int, default=64, help="tiles of a step")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=48)
    parser.add_argument("--tiles", type=int, default=992, help="of an epoch")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


def speeds(arguments: argparse.Namespace) -> str:
    """The table of `training_speed.py`, with short rounds."""
    options = ["--backends", "jax", "--out", arguments.out / "training_speed.json"]
    options += ["--rounds", arguments.rounds, "--seconds", arguments.seconds]
    options += ["--batch", arguments.batch, "--limit", 20 * arguments.minutes]
    options += ["--data", arguments.data or "synthetic", "--rows", *arguments.rows]
    return training_speed.measured(training_speed.parsed([str(x) for x in options]))


def train_side_by_side(arguments: argparse.Namespace, end: float) -> None:
    """Run the trainings that are not finished, all at once, until the time is over."""
    names = {
        f"{kind}-{seed}": {"kind": kind, "seed": seed}
        for seed in range(arguments.seeds)
        for kind in KINDS
    }
    running = []
    for name, training in names.items():
        folder = arguments.out / name
        if (folder / "result.json").is_file():
            continue
        folder.mkdir(exist_ok=True)
        asked = training | {
            "folder": str(folder),
            "data": str(arguments.data),
            "teachers": str(arguments.teachers),
            "changes": {
                "epochs": arguments.epochs,
                "tiles_per_epoch": arguments.tiles,
                "batch_size": arguments.batch,
            },
        }
        command = [sys.executable, __file__, "--out", str(arguments.out)]
        with (folder / "log.txt").open("a") as log:
            running.append(
                subprocess.Popen([*command, "--one", json.dumps(asked)], stderr=log)
            )
    for process in running:
        try:
            process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for process in running:
        if process.returncode > 0:
            print(f"failed, see log.txt: {process.args[-1]}", file=sys.stderr)
    write_summary(arguments.out, names)


def train_one(asked: dict) -> None:
    """One training of the compact student by the recipe of whole tiles."""
    import keras

    from segshrink.data import open_dataset
    from segshrink.distillation import distill
    from segshrink.models import build_model
    from segshrink.recipe import load_recipe
    from segshrink.training import TrainingContext, train

    recipe = load_recipe(ROOT / "recipes" / "aerial_whole_tiles.yaml")
    split = ROOT / "recipes" / "splits" / "aerial_held_out.yaml"
    dataset = open_dataset(asked["data"], split=split)
    settings = recipe.student.training.model_copy(update=asked["changes"])
    context = TrainingContext(
        dataset=dataset, folder=Path(asked["folder"]), seed=asked["seed"]
    )
    keras.utils.set_random_seed(asked["seed"])
    shape = {"num_classes": 6, "input_shape": (_TILE_PX, _TILE_PX, 3)}
    student = build_model("compact", width=24, stem_stride=4, **shape)
    if asked["kind"] == "alone":
        result = train(student, settings, context)
    else:
        teacher = build_model("efficientnet_lite", variant=2, weights=None, **shape)
        load_weights(teacher, Path(asked["teachers"]) / "whole_tiles.npz")
        live = recipe.student.distillation.model_copy(update={"cache": False})
        result = distill(student, teacher, settings, live, context)
    path = context.folder / "result.json"
    path.write_text(json.dumps(vars(result), indent=1) + "\n")


def load_weights(model, file: Path) -> None:
    import numpy as np

    weights = np.load(file, allow_pickle=False)
    model.set_weights([weights[name].astype("float32") for name in sorted(weights)])


def write_summary(out: Path, names: dict[str, dict]) -> None:
    """One line for each training, finished or not, from its history."""
    with (out / "trainings.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow("kind seed finished epochs best_val_miou seconds".split())
        for name, training in names.items():
            path, rows = out / name / "history.csv", []
            if path.is_file():
                with path.open() as history:
                    rows = list(csv.DictReader(history))
            mious = [float(row["val_miou"]) for row in rows if row["val_miou"]]
            seconds = sum(float(row["seconds"]) for row in rows)
            finished = (out / name / "result.json").is_file()
            writer.writerow(
                [
                    training["kind"],
                    training["seed"],
                    finished,
                    len(rows),
                    f"{max(mious):.4f}" if mious else "",
                    f"{seconds:.1f}",
                ]
            )


if __name__ == "__main__":
    main()
