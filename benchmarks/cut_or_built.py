r"""A student cut out of its teacher against a compact one, at equal latency.

    python benchmarks/cut_or_built.py run --work DIR [--teacher FILE.keras]
    python benchmarks/cut_or_built.py table --work DIR

For each teacher, the cut student is what `compress` makes of it if asked to prune (30 %
of the channels of each layer). The built ones are compact networks: the one that
computes most among those that are not slower, and the one with most weights among those
that have no more of them either. Latencies are of float files in LiteRT with one
thread, timed in one run. All are distilled for equal views at the same learning rate,
with the settings of the synthetic case of `distillation.py`, of which the data are as
well: 6 labelled scenes and 300 without labels, tested on 24 others; and once more for a
fifth of the views. Other rows tell what matters: the cut student with a quarter of the
learning rate, as for fine-tuning, and a network of its shape that begins with new
weights. A benchmark that was stopped goes on where it was.
"""

import argparse
import json
import math
import shutil
import statistics
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import distillation  # noqa: E402

_CASE = distillation.CASES["synthetic"]
_SHAPE = {
    "num_classes": 6,
    "input_shape": (_CASE["tile_px"], _CASE["tile_px"], 3),
}
_KEEP = 0.3
_EPOCHS_OF_A_TEACHER = {"efficientnet_lite": 12, "unet": 40}
_WIDTHS = [(width, stride) for stride in (4, 2) for width in range(16, 65, 8)]
# Each student with its learning rate and its share of the views.
ARMS = {
    "built": ("built", 4e-3, 1.0),
    "built, no more weights": ("lighter", 4e-3, 1.0),
    "cut": ("cut", 4e-3, 1.0),
    "cut, a quarter of the learning rate": ("cut", 1e-3, 1.0),
    "the cut one's shape, new weights": ("new", 4e-3, 1.0),
    "built, a fifth of the views": ("built", 4e-3, 0.2),
    "cut, a fifth of the views": ("cut", 4e-3, 0.2),
    "cut, a fifth of the views, a quarter of the learning rate": ("cut", 1e-3, 0.2),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("stage", choices=("run", "table"))
    parser.add_argument("--work", type=Path, required=True, help="kept between calls")
    parser.add_argument("--teacher", type=Path, help="of efficientnet_lite, trained")
    parser.add_argument("--teachers", nargs="+", default=list(_EPOCHS_OF_A_TEACHER))
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no more")
    parser.add_argument("--out", type=Path, default=HERE / "cut_or_built.json")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        train_one(json.loads(arguments.one))
        return
    if arguments.stage == "run":
        end = time.monotonic() + 60 * arguments.minutes
        for teacher in arguments.teachers:
            run_teacher(teacher, arguments, end)
    print(write_table(arguments))


def run_teacher(teacher: str, arguments: argparse.Namespace, end: float) -> None:
    folder = arguments.work / teacher
    of_teacher = asked_for(folder, "teacher", 0)
    if arguments.teacher and teacher == "efficientnet_lite":
        of_teacher["given"] = str(arguments.teacher)
    distillation.run_all([of_teacher], arguments, end, __file__)
    choose_students(folder)
    wanted = [
        asked_for(folder, arm, seed)
        for seed in arguments.seeds
        for arm in arguments.arms
    ]
    distillation.run_all(wanted, arguments, end, __file__)


def asked_for(folder: Path, arm: str, seed: int) -> dict:
    """One training, as it is passed to its process."""
    of_teacher = arm == "teacher"
    epochs = round(_CASE["epochs"] * (1 if of_teacher else ARMS[arm][2]))
    return {
        "case": folder.name,
        "arm": arm,
        "seed": seed,
        "epochs": _EPOCHS_OF_A_TEACHER[folder.name] if of_teacher else epochs,
        "batch": 8,
        "folder": str(folder / ("teacher" if of_teacher else f"{arm} {seed}")),
        "students": str(folder / "students.json"),
        "teacher": str(folder / "teacher" / "model.keras"),
        "given": None,
    }


# --- Students of equal latency -------------------------------------------------------


def choose_students(folder: Path) -> None:
    """Time the cut network and all compact ones; keep what was found in `folder`."""
    kept = folder / "students.json"
    if kept.is_file():
        return
    import keras

    from segshrink.export import export_model
    from segshrink.measuring import count_macs, measure_latency
    from segshrink.models import build_model, load_model
    from segshrink.pruning import prune_channels

    teacher = load_model(folder / "teacher" / "model.keras")
    models = {"cut": prune_channels(teacher, keep=_KEEP)}
    for width, stride in _WIDTHS:
        keras.utils.set_random_seed(0)
        models[f"{width} {stride}"] = build_model(
            "compact", width=width, stem_stride=stride, **_SHAPE
        )
    files = {name: folder / "timed" / f"{name}.tflite" for name in models}
    files["cut"].parent.mkdir(exist_ok=True)
    for name, model in models.items():
        export_model(model, files[name])
    times = measure_latency(list(files.values()), rounds=31)
    facts = {
        name: {
            "ms": times[file].median_ms,
            "macs": count_macs(models[name]).macs,
            "weights": models[name].count_params(),
            "bytes": file.stat().st_size,
        }
        for name, file in files.items()
    }
    found = {
        "built": best_of(facts, "macs", ["ms"]),
        "lighter": best_of(facts, "weights", ["ms", "weights"]),
        "facts": facts,
    }
    kept.write_text(json.dumps(found, indent=1) + "\n")


def best_of(facts: dict[str, dict], most: str, limits: list[str]) -> str:
    """The compact network with most of one, within the limits of the cut one."""
    within = [
        name
        for name, each in facts.items()
        if name != "cut" and all(each[x] <= facts["cut"][x] for x in limits)
    ]
    return max(within, key=lambda name: facts[name][most])


def model_of(asked: dict):
    import keras

    from segshrink.models import build_model, load_model
    from segshrink.pruning import prune_channels

    if asked["arm"] == "teacher":
        own = {"variant": 0} if asked["case"] == "efficientnet_lite" else {}
        return build_model(asked["case"], **own, **_SHAPE)
    student = ARMS[asked["arm"]][0]
    if student in ("built", "lighter"):
        chosen = json.loads(Path(asked["students"]).read_text())[student]
        width, stride = map(int, chosen.split())
        return build_model("compact", width=width, stem_stride=stride, **_SHAPE)
    cut = prune_channels(load_model(Path(asked["teacher"])), keep=_KEEP)
    if student == "cut":
        return cut
    # The same layers, with other initial weights.
    return keras.models.clone_model(cut)


# --- One training --------------------------------------------------------------------


def train_one(asked: dict) -> None:
    import keras

    from segshrink.distillation import distill
    from segshrink.recipe import DistillationSettings
    from segshrink.training import TrainingContext, train

    of_teacher = asked["arm"] == "teacher"
    folder = Path(asked["folder"])
    dataset = distillation.dataset_of(_CASE, "", not of_teacher)
    settings = distillation.training_of(_CASE, asked | {"student": "teacher"})
    if not of_teacher:
        settings = settings.model_copy(
            update={"learning_rate": ARMS[asked["arm"]][1], "weight_decay": 1e-4}
        )
    context = TrainingContext(dataset=dataset, folder=folder, seed=asked["seed"])
    keras.utils.set_random_seed(asked["seed"] + 1)
    if asked["given"]:
        shutil.copyfile(asked["given"], folder / "model.keras")
        result = {"seconds": 0.0, "teacher_seconds": 0.0}
    elif of_teacher:
        result = vars(train(model_of(asked), settings, context))
    else:
        teacher = keras.saving.load_model(asked["teacher"])
        chosen = DistillationSettings()
        result = vars(distill(model_of(asked), teacher, settings, chosen, context))
    result["test_miou"] = distillation.miou_of(
        folder / "model.keras", dataset, _CASE["tile_px"]
    )
    (folder / "result.json").write_text(json.dumps(asked | result, indent=1) + "\n")


# --- Table ---------------------------------------------------------------------------


def write_table(arguments: argparse.Namespace) -> str:
    """Gather the results, and write them as JSON and as a table."""
    found = []
    for students in sorted(arguments.work.glob("*/students.json")):
        chosen = json.loads(students.read_text())
        results = [
            json.loads(path.read_text())
            for path in sorted(students.parent.glob("*/result.json"))
        ]
        keys = ("arm", "seed", "epochs", "seconds", "teacher_seconds", "test_miou")
        kept = [{key: each[key] for key in keys} for each in results]
        found.append({"teacher": students.parent.name, **chosen, "results": kept})
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    text = "\n\n".join(table_of(each) for each in found)
    arguments.out.with_suffix(".md").write_text(text + "\n")
    return text


def table_of(found: dict) -> str:
    scores = {
        arm: {
            x["seed"]: 100 * x["test_miou"] for x in found["results"] if x["arm"] == arm
        }
        for arm in ("teacher", *ARMS)
    }
    lines = [
        f"**{found['teacher']}**, mIoU {scores['teacher'][0]:.1f} %; built are compact "
        f"networks of width and stem stride {found['built']} and {found['lighter']}.",
        "",
        "| student | latency | weights | file | mIoU, % | against the cut one (95 % "
        "interval) | seeds |",
        "|---|---:|---:|---:|---:|---|---:|",
    ]
    for arm, (student, _, share) in ARMS.items():
        own = scores[arm]
        if not own:
            continue
        facts = found["facts"][found.get(student, "cut")]
        spread = f" ± {statistics.stdev(own.values()):.1f}" if len(own) > 1 else ""
        cut = scores["cut" if share == 1 else "cut, a fifth of the views"]
        gains = [own[n] - cut[n] for n in own if n in cut] if own is not cut else []
        lines.append(
            f"| {arm} | {facts['ms']:.2f} ms | {facts['weights'] / 1000:.0f} k | "
            f"{facts['bytes'] / 1000:.0f} kB | {statistics.mean(own.values()):.1f}"
            f"{spread} | {distillation.interval(gains)} | "
            f"{len(own)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
