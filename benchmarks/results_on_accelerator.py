r"""The trainings behind `results/aerial`, side by side on an accelerator.

    PYTHONPATH=src python benchmarks/results_on_accelerator.py --sets patches folds \
        --out DIR --data AERIAL --teachers T --split random_patch.json [--minutes 9]

`patches`: students of random patches, of the shipped shape and of shapes that do more
work per weight, alone and distilled from the teacher in T. `folds`: for each of the
four pairs of tiles a teacher, and the student alone and distilled from it, measured on
tiles that neither saw. Students alone and distilled get the same tiles, steps and
learning rate; the teacher sees the very tiles that its student sees.

AERIAL is the folder that holds `Tile 1` to `Tile 8`; `random_patch.json`, the public
split, is named by `--split`. T holds `random_patch.npz` and `whole_tiles.npz`, the
weights of two EfficientNet-Lite2 U-Nets; the second is the teacher of the first fold.
It needs JAX, Keras, NumPy, Pillow, PyYAML, pydantic, rich and typer. The same command
goes on where it was stopped: a finished training leaves `result.json` and its weights
in half precision, `weights.npz`, in `DIR/NAME`, which `--keras` makes a model of:

    python benchmarks/results_on_accelerator.py --out DIR --keras
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(Path(__file__).resolve().parent))

from accelerator import load_weights  # noqa: E402

_COARSER = {"width": 24, "stem_stride": 4}
# Shapes of about as many weights as the shipped one.
_SHAPES = {
    "coarser-stem": _COARSER,
    "finer-logits": _COARSER | {"logits_stride": 2},
    "a-block-less": {"width": 24, "stem_stride": 2},
    "shipped": {"width": 24, "stem_stride": 2, "blocks": (1, 2, 4, 3)},
}
_TEACHER = {"name": "efficientnet_lite", "variant": 2, "weights": None}
_FOLDS = {
    "2-6": "aerial_held_out.yaml",
    "3-4": "aerial_held_out_3_4.yaml",
    "1-5": "aerial_held_out_1_5.yaml",
    "7-8": "aerial_held_out_7_8.yaml",
}


def patches(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Students of random patches, which have one teacher that is there."""
    return [
        {
            "name": f"patches-{shape}-{kind}-{seed}",
            "recipe": "aerial_random_patch.yaml",
            "patches": str(arguments.split),
            "kind": kind,
            "model": {"name": "compact"} | model,
            "teacher": str(arguments.teachers / "random_patch.npz"),
            "epochs": arguments.epochs,
        }
        for seed in arguments.seeds
        for shape, model in _SHAPES.items()
        for kind in ("distilled", "alone")
    ]


def folds(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Teacher, student alone and student distilled of each pair of tiles."""
    found = []
    for fold, split in _FOLDS.items():
        own = {"recipe": "aerial_whole_tiles.yaml", "split": split}
        given = str(arguments.teachers / "whole_tiles.npz")
        trained = str(arguments.out / f"fold-{fold}-teacher-0" / "weights.npz")
        teacher = given if fold == "2-6" else trained
        if fold != "2-6":
            name = f"fold-{fold}-teacher-0"
            epochs = arguments.teacher_epochs
            found.append(
                own
                | {"name": name, "kind": "teacher", "model": _TEACHER, "epochs": epochs}
            )
        for seed in arguments.seeds:
            for kind in ("alone", "distilled"):
                found.append(
                    own
                    | {
                        "name": f"fold-{fold}-{kind}-{seed}",
                        "kind": kind,
                        "model": {"name": "compact"} | _COARSER,
                        "teacher": teacher,
                        "epochs": arguments.epochs,
                    }
                )
    return found


SETS = {"patches": patches, "folds": folds}


def main() -> None:
    arguments = parsed()
    if arguments.one:
        train_one(json.loads(arguments.one))
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.keras:
        write_models(arguments.out)
        return
    os.environ |= {"KERAS_BACKEND": "jax", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    run(arguments, time.monotonic() + 60 * arguments.minutes)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="kept between calls")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--only", nargs="+", help="parts of names of trainings")
    parser.add_argument("--data", type=Path, help="folder of the aerial tiles")
    parser.add_argument("--teachers", type=Path, help="folder of their weights")
    parser.add_argument("--split", type=Path, help="random_patch.json, for patches")
    parser.add_argument("--minutes", type=float, default=9, help="stop all after")
    parser.add_argument("--jobs", type=int, default=10, help="trainings at once")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=150, help="of a student")
    parser.add_argument("--teacher-epochs", type=int, default=16)
    parser.add_argument("--tiles", type=int, default=992, help="of an epoch")
    parser.add_argument("--batch", type=int, default=64, help="tiles of a step")
    parser.add_argument("--keras", action="store_true", help="write the models")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


def run(arguments: argparse.Namespace, end: float) -> None:
    """Train side by side what is not finished, a student after its teacher."""
    waiting = [each for name in arguments.sets for each in SETS[name](arguments)]
    if arguments.only:
        waiting = [x for x in waiting if any(y in x["name"] for y in arguments.only)]
    waiting = [
        x for x in waiting if not (arguments.out / x["name"] / "result.json").is_file()
    ]
    running: list[tuple[dict[str, Any], subprocess.Popen]] = []
    while (waiting or running) and time.monotonic() < end:
        for asked, process in [x for x in running if x[1].poll() is not None]:
            running.remove((asked, process))
            if process.returncode:
                print(f"{asked['name']}: failed, see its log.txt", file=sys.stderr)
        for asked in [x for x in waiting if is_ready(x)]:
            if len(running) == arguments.jobs:
                break
            waiting.remove(asked)
            running.append((asked, begun(asked, arguments)))
        if not running:
            break
        time.sleep(0.2)
    for _, process in running:
        process.kill()
        process.wait()
    for path in sorted(arguments.out.glob("*/result.json")):
        found = json.loads(path.read_text())
        print(f"{found['name']}: mIoU {100 * found['miou']:.2f} % of {found['part']}")


def is_ready(asked: dict[str, Any]) -> bool:
    return "teacher" not in asked or Path(asked["teacher"]).is_file()


def begun(asked: dict[str, Any], arguments: argparse.Namespace) -> subprocess.Popen:
    folder = arguments.out / asked["name"]
    folder.mkdir(exist_ok=True)
    asked |= {
        "folder": str(folder),
        "data": str(arguments.data),
        "tiles": arguments.tiles,
        "batch": arguments.batch,
    }
    command = [sys.executable, __file__, "--out", str(arguments.out), "--one"]
    with (folder / "log.txt").open("a") as log:
        return subprocess.Popen([*command, json.dumps(asked)], stderr=log)


# --- One training --------------------------------------------------------------------


def train_one(asked: dict[str, Any]) -> None:
    import keras

    from segshrink.distillation import distill
    from segshrink.training import TrainingContext, train

    recipe, dataset = recipe_of(asked), dataset_of(asked)
    of_teacher = asked["kind"] == "teacher"
    part = recipe.teacher if of_teacher else recipe.student
    settings = part.training.model_copy(
        update={
            "epochs": asked["epochs"],
            "tiles_per_epoch": asked["tiles"],
            "batch_size": asked["batch"],
            "learning_rate": part.training.learning_rate
            * math.sqrt(asked["batch"] / part.training.batch_size),
        }
    )
    seed = int(asked["name"].rpartition("-")[2])
    folder = Path(asked["folder"])
    context = TrainingContext(dataset=dataset, folder=folder, seed=seed)
    keras.utils.set_random_seed(seed)
    model = model_of(asked["model"])
    if asked["kind"] == "distilled":
        teacher = model_of(_TEACHER)
        load_weights(teacher, Path(asked["teacher"]))
        live = recipe.student.distillation.model_copy(
            update={"cache": False, "cache_averaged": False}
        )
        result = vars(distill(model, teacher, settings, live, context))
    else:
        result = vars(train(model, settings, context))
    save(asked, result, dataset)


def recipe_of(asked: dict[str, Any]):
    from segshrink.recipe import load_recipe

    return load_recipe(ROOT / "recipes" / asked["recipe"])


def dataset_of(asked: dict[str, Any]):
    from segshrink.data import open_dataset, open_patch_dataset

    if "split" in asked:
        return open_dataset(
            asked["data"], split=ROOT / "recipes" / "splits" / asked["split"]
        )
    return open_patch_dataset(asked["data"], asked["patches"])


def model_of(model: dict[str, Any]):
    from segshrink.models import build_model

    options = {key: value for key, value in model.items() if key != "name"}
    return build_model(
        model["name"], num_classes=6, input_shape=(256, 256, 3), **options
    )


def save(asked: dict[str, Any], result: dict[str, Any], dataset) -> None:
    """Measure the best epoch on the part that is last looked at, and keep both."""
    import keras
    import numpy as np

    from segshrink.training.validation import Validator

    folder = Path(asked["folder"])
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    part = "test" if dataset.test is not None and len(dataset.test) else "val"
    measured = Validator(
        model,
        dataset.test if part == "test" else dataset.val,
        num_classes=dataset.classes.num_classes,
        tile_px=256,
        batch_size=asked["batch"],
    )()
    half = [weight.astype(np.float16) for weight in model.get_weights()]
    arrays = {f"{number:04}": weight for number, weight in enumerate(half)}
    np.savez_compressed(folder / "weights.npz", **arrays)
    result |= {"miou": float(measured.confusion.mean_iou()), "part": part}
    text = json.dumps(asked | result, indent=1, default=str)
    (folder / "result.json").write_text(text + "\n")


def write_models(out: Path) -> None:
    """Make `model.keras` of each finished training's weights."""
    for path in sorted(out.glob("*/result.json")):
        model = model_of(json.loads(path.read_text())["model"])
        load_weights(model, path.parent / "weights.npz")
        model.save(path.parent / "model.keras")
        print(path.parent / "model.keras")


if __name__ == "__main__":
    main()
