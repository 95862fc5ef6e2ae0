r"""What distillation adds to a student, at equal tiles and at equal seconds.

    python benchmarks/distillation.py run synthetic --work DIR
    python benchmarks/distillation.py run aerial --data AERIAL --work DIR
    python benchmarks/distillation.py table --work DIR

AERIAL is the folder that holds `Tile 1` to `Tile 8`. Each case has a teacher, which is
trained once on the images with labels, and students on the same images: alone, and
distilled in several ways. Every training is a process of its own with `train` or
`distill` of the package, all with the same tiles, steps, learning rate and seeds; the
same command goes on where it was stopped. `alone, as many seconds` trains as many
epochs as the default takes seconds. mIoU is that of the saved model on the test part,
which neither training nor the choice of the best epoch sees; gains are paired by seed.

The teacher of a case may be given (`--teacher FILE.keras`) instead of trained.

On an accelerator (KERAS_BACKEND=jax), with teachers in DIR that were trained before:

    python benchmarks/distillation.py run aerial --data AERIAL --work DIR \
        --jobs 6 --minutes 5 --batch 32 --times 4
"""

import argparse
import csv
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
_KL = {"losses": {"pixel_kl": 1.0}}
_LIVE = _KL | {"cache": False}
_TILES_OF_AN_EPOCH = 320
_VALIDATED_AT_ONCE = 8

# Data, teacher and students of each case.
CASES: dict[str, dict] = {
    "synthetic": {
        "short": "6 generated scenes labelled, 300 not",
        "about": "6 labelled generated scenes of 128 x 128 pixels and 300 without "
        "labels; tested on 24 others",
        "tile_px": 128,
        "scenes": {"train": 6, "val": 10, "test": 24},
        "unlabelled": ["synthetic:300"],
        "teacher_epochs": 12,
        "epochs": 40,
        "augmentation": {"scale_jitter": (0.75, 1.333), "photometric": 0.2},
    },
    "aerial": {
        "short": "4 aerial tiles labelled",
        "about": "4 labelled aerial tiles (36 images); tested on 2 others",
        "tile_px": 256,
        "split": {"train": (1, 5, 7, 8), "val": (3, 4), "test": (2, 6)},
        "teacher_epochs": 25,
        "epochs": 60,
        "augmentation": {"scale_jitter": (0.5, 2.0), "photometric": 0.4},
    },
    "aerial_one_tile": {
        "short": "1 aerial tile labelled, 3 not",
        "about": "1 labelled aerial tile (9 images) and 3 without labels; tested on 2 "
        "others",
        "tile_px": 256,
        "split": {"train": (1,), "val": (3, 4), "test": (2, 6)},
        "unlabelled": (5, 7, 8),
        "teacher_epochs": 15,
        "epochs": 30,
        "augmentation": {"scale_jitter": (0.5, 2.0), "photometric": 0.4},
    },
    # The student alone is that of the case above: the teacher makes the difference.
    "aerial_strong_teacher": {
        "short": "the same, teacher of 4 labelled tiles",
        "about": "1 labelled aerial tile (9 images) and 3 without labels, of a teacher "
        "that was trained on the labels of all four; tested on 2 others",
        "tile_px": 256,
        "split": {"train": (1,), "val": (3, 4), "test": (2, 6)},
        "unlabelled": (5, 7, 8),
        "teacher_of": "aerial",
        "alone_of": "aerial_one_tile",
        "teacher_epochs": 25,
        "epochs": 30,
        "augmentation": {"scale_jitter": (0.5, 2.0), "photometric": 0.4},
    },
    # The same two questions with the two pairs of tiles exchanged, so that the test is
    # on tiles on which the teacher of `--teacher` is better than its students.
    "aerial_exchanged": {
        "short": "4 aerial tiles labelled, tested on the other two",
        "about": "4 labelled aerial tiles (36 images); the epoch chosen on tiles 2 and "
        "6, tested on 3 and 4",
        "tile_px": 256,
        "split": {"train": (1, 5, 7, 8), "val": (2, 6), "test": (3, 4)},
        "teacher_epochs": 25,
        "epochs": 20,
        "augmentation": {"scale_jitter": (0.5, 2.0), "photometric": 0.4},
    },
    "aerial_one_tile_exchanged": {
        "short": "1 aerial tile labelled, 3 not, teacher of 4, tested on the other two",
        "about": "1 labelled aerial tile (9 images) and 3 without labels, of a teacher "
        "that was trained on the labels of all four; the epoch chosen on tiles 2 and "
        "6, tested on 3 and 4",
        "tile_px": 256,
        "split": {"train": (1,), "val": (2, 6), "test": (3, 4)},
        "unlabelled": (5, 7, 8),
        "teacher_epochs": 25,
        "epochs": 30,
        "augmentation": {"scale_jitter": (0.5, 2.0), "photometric": 0.4},
    },
}

# Settings of distillation; `unlabelled` is for the case, and not a setting.
ARMS: dict[str, dict | None] = {
    "alone": None,
    "stored logits": _KL | {"cache_views": 1},
    "live": _LIVE,
    "live, channel_wise": {"losses": {"channel_wise": 1.0}, "cache": False},
    "live, mixup": _LIVE | {"mixing": "mixup"},
    "live, cutmix": _LIVE | {"mixing": "cutmix"},
    "live, features": {"losses": {"pixel_kl": 1.0, "feature_hint": 0.5}},
    "default": {},
    "unlabelled": _KL | {"unlabelled": True},
    "unlabelled, 3 in 4": _KL | {"unlabelled": True, "unlabelled_share": 0.75},
    "unlabelled, weight 3": {"losses": {"pixel_kl": 3.0}, "unlabelled": True},
    "unlabelled, temperature 2": _KL | {"unlabelled": True, "temperature": 2.0},
    "unlabelled, channel_wise": {
        "losses": {"channel_wise": 1.0},
        "unlabelled": True,
    },
    "unlabelled, mixup": _KL | {"unlabelled": True, "mixing": "mixup"},
    "unlabelled, cutmix": _KL | {"unlabelled": True, "mixing": "cutmix"},
    "keras.distillation.Distiller": {"keras": True},
    "alone, as many seconds": None,
}
STUDENTS = ("compact", "pruned")


def main() -> None:
    arguments = parsed()
    if arguments.one:
        train_one(json.loads(arguments.one))
    elif arguments.stage == "run":
        for case in arguments.cases:
            run_case(case, arguments)
    if not arguments.one:
        print(write_table(arguments))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("stage", choices=("run", "table"))
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], default=[])
    parser.add_argument("--work", type=Path, required=True, help="kept between calls")
    parser.add_argument("--data", type=Path, help="folder of the aerial tiles")
    parser.add_argument("--teacher", type=Path, help="of the cases, trained before")
    parser.add_argument("--students", nargs="+", default=["compact"], choices=STUDENTS)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no more")
    parser.add_argument("--times", type=float, default=1.0, help="as many epochs")
    parser.add_argument("--batch", type=int, default=8, help="tiles of a step")
    parser.add_argument("--out", type=Path, default=HERE / "distillation.json")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


# --- Processes -----------------------------------------------------------------------


def run_case(case: str, arguments: argparse.Namespace) -> None:
    """Train what is not trained yet: teacher, then students, then those as long."""
    end = time.monotonic() + 60 * arguments.minutes
    run_all([asked_for(case, "teacher", "alone", 0, arguments)], arguments, end)
    for late in (False, True):
        wanted = [
            asked_for(case, student, arm, seed, arguments)
            for seed in arguments.seeds
            for student in arguments.students
            for arm in arguments.arms
            if (arm == "alone, as many seconds") == late and fits(case, arm)
        ]
        run_all([x for x in wanted if x["epochs"]], arguments, end)


def fits(case: str, arm: str) -> bool:
    return "unlabelled" in CASES[case] or not (ARMS[arm] or {}).get("unlabelled")


def asked_for(case, student, arm, seed, arguments) -> dict:
    """One training, as it is passed to its process."""
    taught_by = arguments.work / owner_of(case, "teacher", "alone")
    case = owner_of(case, student, arm)
    chosen, root = CASES[case], arguments.work / case
    epochs = chosen["teacher_epochs" if student == "teacher" else "epochs"]
    epochs = max(1, round(epochs * arguments.times))
    if arm == "alone, as many seconds":
        epochs = epochs_of_as_many_seconds(root / student, epochs)
    name = student if student == "teacher" else f"{student}/{arm} {seed}"
    return {
        "case": case,
        "student": student,
        "arm": arm,
        "seed": seed,
        "epochs": epochs,
        "batch": arguments.batch,
        "data": str(arguments.data),
        "folder": str(root / name),
        "teacher": str(taught_by / "teacher" / "model.keras"),
        "given": None if arguments.teacher is None else str(arguments.teacher),
    }


def owner_of(case: str, student: str, arm: str) -> str:
    """The case that a training belongs to, which others may share."""
    if student == "teacher":
        return CASES[case].get("teacher_of", case)
    if (student, arm) == ("compact", "alone"):
        return CASES[case].get("alone_of", case)
    return case


def epochs_of_as_many_seconds(root: Path, epochs: int) -> int:
    """Epochs of a student alone that take the seconds of the default; 0 if unknown."""
    seconds = {}
    for arm in ("alone", "default"):
        results = [json.loads(x.read_text()) for x in root.glob(f"{arm} */result.json")]
        if not results:
            return 0
        seconds[arm] = statistics.median(
            x["seconds"] + x["teacher_seconds"] for x in results
        )
    return round(epochs * seconds["default"] / seconds["alone"])


def run_all(
    wanted: list[dict],
    arguments: argparse.Namespace,
    end: float,
    script: str = __file__,
) -> None:
    """Train what has no result yet, each in a process of `script --one`."""
    waiting = [x for x in wanted if not (Path(x["folder"]) / "result.json").is_file()]
    running: list[subprocess.Popen] = []
    threads = max(1, (os.cpu_count() or 1) // arguments.jobs)
    environment = os.environ | {
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    while waiting or running:
        running = [x for x in running if x.poll() is None]
        if waiting and len(running) < arguments.jobs:
            if time.monotonic() > end:
                waiting.clear()
                continue
            asked = waiting.pop(0)
            folder = Path(asked["folder"])
            folder.mkdir(parents=True, exist_ok=True)
            print(f"{asked['case']}: {folder.name}", flush=True)
            command = [sys.executable, script, "run", "--work", str(arguments.work)]
            with (folder / "log.txt").open("a") as log:
                running.append(
                    subprocess.Popen(
                        [*command, "--one", json.dumps(asked)],
                        env=environment,
                        stderr=log,
                    )
                )
        time.sleep(0.5)


# --- One training --------------------------------------------------------------------


def train_one(asked: dict) -> None:
    import keras

    from segshrink.distillation import distill
    from segshrink.recipe import DistillationSettings
    from segshrink.training import TrainingContext, train

    case, arm = CASES[asked["case"]], dict(ARMS[asked["arm"]] or {})
    with_bare = arm.pop("unlabelled", asked["arm"] == "default")
    dataset = dataset_of(case, asked["data"], with_bare)
    folder, settings = Path(asked["folder"]), training_of(case, asked)
    context = TrainingContext(dataset=dataset, folder=folder, seed=asked["seed"])
    keras.utils.set_random_seed(asked["seed"] + 1)
    if asked["student"] == "teacher" and asked["given"]:
        shutil.copyfile(asked["given"], folder / "model.keras")
        result = {"seconds": 0.0, "teacher_seconds": 0.0, "steps": 0}
        write_result(asked, result, dataset)
        return
    model = model_of(asked, case["tile_px"])
    if ARMS[asked["arm"]] is None:
        result = vars(train(model, settings, context))
    elif arm.pop("keras", False):
        result = kerass_distiller(model, asked, dataset, settings)
    else:
        teacher = keras.saving.load_model(asked["teacher"])
        chosen = DistillationSettings(**arm)
        result = vars(distill(model, teacher, settings, chosen, context))
    write_result(asked, result, dataset)


def write_result(asked: dict, result: dict, dataset) -> None:
    folder, tile_px = Path(asked["folder"]), CASES[asked["case"]]["tile_px"]
    result["test_miou"] = miou_of(folder / "model.keras", dataset, tile_px)
    (folder / "result.json").write_text(json.dumps(asked | result, indent=1) + "\n")


def dataset_of(case: dict, data: str, with_bare: bool):
    import tempfile

    from segshrink.data import open_dataset

    bare = case.get("unlabelled", ()) if with_bare else ()
    if "scenes" in case:
        ends = [0]
        for count in case["scenes"].values():
            ends.append(ends[-1] + count)
        split = {
            part: [f"scene-{i:03}" for i in range(*ends[n : n + 2])]
            for n, part in enumerate(case["scenes"])
        }
        options = {"scenes": ends[-1], "scene_px": case["tile_px"]}
        source: str | Path = "synthetic"
    else:
        split = {
            part: [f"Tile {number}" for number in numbers]
            for part, numbers in case["split"].items()
        }
        options, source = {}, Path(data)
        bare = [Path(data) / f"Tile {number}" for number in bare]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "split.json"
        file.write_text(json.dumps(split))
        return open_dataset(source, split=file, unlabelled=bare, **options)


def training_of(case: dict, asked: dict):
    from segshrink.recipe import Augmentation, LossSettings, TrainingSettings

    is_teacher = asked["student"] == "teacher"
    rate = {"teacher": 1e-3, "pruned": 1e-3, "compact": 4e-3}[asked["student"]]
    return TrainingSettings(
        epochs=asked["epochs"],
        tiles_per_epoch=_TILES_OF_AN_EPOCH,
        batch_size=asked["batch"],
        learning_rate=rate * math.sqrt(asked["batch"] / 8),
        weight_decay=1e-2 if is_teacher else 1e-4,
        validate_every=2,
        loss=LossSettings(cross_entropy=1.0, dice=1.0),
        augmentation=Augmentation(**case["augmentation"]),
    )


def model_of(asked: dict, tile_px: int):
    from segshrink.models import build_model, load_model
    from segshrink.pruning import prune_channels

    shape = {"num_classes": 6, "input_shape": (tile_px, tile_px, 3)}
    if asked["student"] == "teacher":
        return build_model("efficientnet_lite", variant=0, **shape)
    if asked["student"] == "compact":
        return build_model("compact", width=24, stem_stride=4, **shape)
    teacher = load_model(Path(asked["teacher"]))
    return prune_channels(teacher, keep=0.3)


def kerass_distiller(student, asked: dict, dataset, settings) -> dict:
    """`keras.distillation.Distiller` as documented, on the same tiles and schedule."""
    import keras
    from keras.distillation import Distiller, LogitsDistillation

    from segshrink.data import TileSampler, TileSettings
    from segshrink.training.batches import TrainingBatches
    from segshrink.training.schedule import warmup_cosine
    from segshrink.training.train import supervised_loss

    teacher = keras.saving.load_model(asked["teacher"])
    tiles = TileSettings(
        tile_px=student.input_shape[1],
        batch_size=settings.batch_size,
        augmentation=settings.augmentation,
        tiles_per_epoch=settings.tiles_per_epoch,
    )
    batches = TrainingBatches(TileSampler(dataset.train, tiles, seed=asked["seed"]))
    steps = settings.epochs * len(batches)
    distiller = Distiller(teacher, student, LogitsDistillation())
    distiller.compile(
        keras.optimizers.AdamW(
            warmup_cosine(settings, steps), weight_decay=settings.weight_decay
        ),
        loss=supervised_loss(settings.loss, dataset),
    )
    began = time.perf_counter()
    distiller.fit(
        batches,
        shuffle=False,
        epochs=settings.epochs,
        verbose=0,
        callbacks=[batches.epoch_setter()],
    )
    seconds = time.perf_counter() - began
    student.save(Path(asked["folder"]) / "model.keras")
    return {"seconds": seconds, "teacher_seconds": 0.0, "steps": steps}


def miou_of(file: Path, dataset, tile_px: int) -> float:
    """Mean IoU of a saved model on the test part."""
    from segshrink.models import load_model
    from segshrink.training.validation import Validator

    validator = Validator(
        load_model(file),
        dataset.test,
        num_classes=dataset.classes.num_classes,
        tile_px=tile_px,
        batch_size=_VALIDATED_AT_ONCE,
    )
    return float(validator().confusion.mean_iou())


# --- Table ---------------------------------------------------------------------------


def write_table(arguments: argparse.Namespace) -> str:
    """Gather the results, and write them as JSON and as a table."""
    results = []
    for path in sorted(arguments.work.glob("**/result.json")):
        found = json.loads(path.read_text())
        found["curve"] = curve(path.parent / "history.csv")
        for place in ("data", "folder", "teacher", "given"):
            found.pop(place, None)
        results.append(found)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    text = "\n\n".join(
        case_table(case, of_case(case, results))
        for case in CASES
        if any(x["case"] == case and x["student"] != "teacher" for x in results)
    )
    arguments.out.with_suffix(".md").write_text(text + "\n")
    short = arguments.out.with_name(f"{arguments.out.stem}_short.md")
    short.write_text("\n".join(short_table(results)) + "\n")
    return text


def short_table(results: list[dict]) -> list[str]:
    """The default against labels alone, where at least three seeds were trained."""
    lines = [
        "| data | student | teacher | alone | distilled | gain (95 % interval) | as "
        "good as alone after | seeds |",
        "|---|---|---:|---:|---:|---|---:|---:|",
    ]
    for case in CASES:
        found = of_case(case, results)
        teacher = max(
            (x["test_miou"] for x in found if x["student"] == "teacher"), default=0
        )
        for student in STUDENTS:
            own = [x for x in found if x["student"] == student]
            alone, distilled = of_arm(own, "alone"), of_arm(own, "default")
            seeds = sorted(set(alone) & set(distilled))
            if len(seeds) < 3:
                continue
            gains = [
                100 * (distilled[n]["test_miou"] - alone[n]["test_miou"]) for n in seeds
            ]
            means = [
                f"{100 * statistics.mean(arm[n]['test_miou'] for n in seeds):.1f}"
                for arm in (alone, distilled)
            ]
            paired = {n: distilled[n] for n in seeds}
            lines.append(
                f"| {CASES[case]['short']} | {student} | {100 * teacher:.1f} | "
                f"{means[0]} | {means[1]} | {interval(gains)} | "
                f"{overtaking(paired, alone)} | {len(seeds)} |"
            )
    return lines


def curve(history: Path) -> list[tuple[int, float]]:
    """Epoch and validation mIoU of each epoch that was validated."""
    if not history.is_file():
        return []
    with history.open() as file:
        rows = [row for row in csv.DictReader(file) if row["val_miou"]]
    return [(int(row["epoch"]), float(row["val_miou"])) for row in rows]


def of_case(case: str, results: list[dict]) -> list[dict]:
    """The results of a case, and those that it takes from another one."""
    return [x for x in results if x["case"] == owner_of(case, x["student"], x["arm"])]


def case_table(case: str, results: list[dict]) -> str:
    teachers = [x["test_miou"] for x in results if x["student"] == "teacher"]
    lines = [f"**{case}**: {CASES[case]['about']}."]
    for student in STUDENTS:
        own = [x for x in results if x["student"] == student]
        by_arm = {arm: of_arm(own, arm) for arm in ARMS if of_arm(own, arm)}
        if "alone" in by_arm:
            lines += ["", *student_table(student, by_arm, teachers)]
    return "\n".join(lines)


def of_arm(results: list[dict], arm: str) -> dict[int, dict]:
    return {x["seed"]: x for x in results if x["arm"] == arm}


def student_table(student: str, by_arm: dict, teachers: list[float]) -> list[str]:
    alone = by_arm["alone"]
    lines = [
        f"| {student} student | mIoU | gain over alone (95 % interval) | of the "
        "distance | as good as alone after | seconds | seeds |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for teacher in teachers:
        lines.append(f"| its teacher | {100 * teacher:.1f} | | | | | |")
    for arm, found in by_arm.items():
        scores = [100 * x["test_miou"] for x in found.values()]
        spread = f" ± {statistics.stdev(scores):.1f}" if len(scores) > 1 else ""
        gains = [
            100 * (x["test_miou"] - alone[seed]["test_miou"])
            for seed, x in found.items()
            if seed in alone and arm != "alone"
        ]
        share = ""
        base = statistics.mean(
            x["test_miou"] for seed, x in alone.items() if seed in found or not gains
        )
        if gains and teachers and teachers[0] > base:
            share = f"{statistics.mean(gains) / (teachers[0] - base):.0f} %"
        seconds = statistics.median(
            x["seconds"] + x["teacher_seconds"] for x in found.values()
        )
        lines.append(
            f"| {arm} | {statistics.mean(scores):.1f}{spread} | {interval(gains)} | "
            f"{share} | {overtaking(found, alone) if gains else ''} | {seconds:.0f} | "
            f"{len(scores)} |"
        )
    return lines


# Quantiles of Student's distribution at 97.5 %, by the number of pairs.
_T = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}


def interval(gains: list[float]) -> str:
    if not gains:
        return ""
    mean = statistics.mean(gains)
    if len(gains) not in _T:
        return f"{mean:+.1f}"
    half = _T[len(gains)] * statistics.stdev(gains) / math.sqrt(len(gains))
    return f"{mean:+.1f} ({mean - half:+.1f} to {mean + half:+.1f})"


def overtaking(found: dict[int, dict], alone: dict[int, dict]) -> str:
    """Median share of the steps after which validation is as good as alone's best."""
    shares = []
    for seed, result in found.items():
        if seed not in alone or not result["curve"] or not alone[seed]["curve"]:
            continue
        goal = max(miou for _, miou in alone[seed]["curve"])
        epochs = [epoch for epoch, miou in result["curve"] if miou >= goal]
        whole = alone[seed]["epochs"]
        shares.append(epochs[0] / whole if epochs else math.inf)
    if not shares:
        return ""
    median = statistics.median(shares)
    return f"{median:.0%} of its steps" if median < math.inf else "never"


if __name__ == "__main__":
    main()
