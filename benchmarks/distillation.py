r"""Each way to distil, at equal seconds.

    python benchmarks/distillation.py time TEACHER.keras DATA --split FILE --work DIR
    python benchmarks/distillation.py train TEACHER.keras DATA --split FILE --work DIR
    python benchmarks/distillation.py table --work DIR

TEACHER is made by `segshrink train DATA --recipe recipes/aerial_pretrained.yaml`; its
mIoU on the validation part goes into DIR/teacher.json as {"miou": ...}.

The students are a small compact model with fresh weights and, with `--student FILE` and
`--kinds compact pruned`, the teacher pruned by `segshrink prune`. `time` measures a
training step of each method, the methods taking turns; nothing else may run meanwhile.
`train` gives each method and seed as many steps as fit into `--seconds` by those times,
with a learning rate that decays over them, each in a process of its own; what else runs
then does not matter. The teacher's logits are stored once, and the runs that replay
them share the seconds of that. All of it goes on where it stopped. mIoU is that of the
validation part.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

_TILE_PX = 256
_BATCH = 4
_TILES = 400  # of an epoch, in the column of seconds
_ROUNDS = 11
_STEPS = 8  # of a round
# By kind of student: options of the compact model; a pruned one comes from a file.
_COMPACT = {
    "compact": {"width": 32, "stem_stride": 4},
    "smallest": {"width": 16, "stem_stride": 4},
}
_LEARNING_RATE = {"compact": 4e-3, "pruned": 1e-3, "smallest": 4e-3}
_FEATURES = ("bottleneck", "decoder")

# Losses and their weights beside the labels'.
_METHODS: dict[str, dict] = {
    "alone": {},
    "pixel_kl": {"losses": {"pixel_kl": 1.0}},
    "pixel_kl, boundary x3": {"losses": {"pixel_kl": 1.0}, "boundary_weight": 3.0},
    "soft_dice": {"losses": {"soft_dice": 1.0}},
    "channel_wise": {"losses": {"channel_wise": 1.0}},
    "channel_wise x3": {"losses": {"channel_wise": 3.0}},
    "dist": {"losses": {"dist": 1.0}},
    "feature_hint": {"losses": {"feature_hint": 0.5}},
    "attention_transfer": {"losses": {"attention_transfer": 1.0}},
    "pairwise_similarity": {"losses": {"pairwise_similarity": 1.0}},
    "pixel_kl + soft_dice": {"losses": {"pixel_kl": 1.0, "soft_dice": 1.0}},
    "pixel_kl + soft_dice, teacher in each step": {
        "losses": {"pixel_kl": 1.0, "soft_dice": 1.0},
        "cache": False,
    },
    "keras.distillation.Distiller": {"keras": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stage", choices=("time", "train", "table", "one"))
    parser.add_argument("inputs", nargs="*", help="TEACHER and DATA, as above")
    parser.add_argument("--split")
    parser.add_argument("--student", type=Path, help="a pruned student")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--kinds", nargs="+", default=["compact"])
    parser.add_argument("--methods", nargs="+", default=list(_METHODS))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--name", default="distillation", help="of the results")
    parser.add_argument("--run", help="KIND:METHOD:SEED of the stage `one`")
    parser.add_argument("--fill-share", type=float, help="seconds, of the stage `one`")
    arguments = parser.parse_args()
    stage = {"time": measure, "train": train, "table": write_table, "one": train_one}
    stage[arguments.stage](arguments)


class Setting:
    """Data, teacher, student and trainer of one run."""

    def __init__(self, arguments, kind: str, method: str, seed: int) -> None:
        import keras

        from segshrink.data import open_dataset
        from segshrink.models import build_model, load_model

        teacher, data = arguments.inputs
        self.dataset = open_dataset(data, split=Path(arguments.split))
        shape = {
            "num_classes": self.dataset.classes.num_classes,
            "input_shape": (_TILE_PX, _TILE_PX, 3),
        }
        keras.utils.set_random_seed(seed + 1)
        if kind == "smallest":
            # Of this one only the cost is of interest, which has nothing to do with
            # what the teacher has learnt.
            self.teacher = build_model("unet", **shape)
        else:
            self.teacher = load_model(Path(teacher))
        if kind in _COMPACT:
            self.student = build_model("compact", **shape, **_COMPACT[kind])
        else:
            self.student = load_model(arguments.student)
        self.kind, self.spec = kind, _METHODS[method]
        self.cache_folder = arguments.work / f"teacher-logits-{kind}"

    def training(self, steps: int):
        """One epoch of that many steps: the schedule is over the whole run."""
        from segshrink.recipe import TrainingSettings

        return TrainingSettings(
            epochs=1,
            tiles_per_epoch=_BATCH * steps,
            batch_size=_BATCH,
            learning_rate=_LEARNING_RATE[self.kind],
        )

    @property
    def distillation(self):
        """The settings of the package, completed."""
        from segshrink.distillation.mix import completed
        from segshrink.recipe import DistillationSettings

        return completed(DistillationSettings(**self.spec), package_kind(self.kind))

    @property
    def cached(self) -> bool:
        """Whether the teacher's logits are replayed."""
        from segshrink.recipe import FEATURE_LOSSES

        if not self.spec or "keras" in self.spec:
            return False
        chosen = self.distillation
        return chosen.cache and not set(chosen.losses) & set(FEATURE_LOSSES)

    def cache(self):
        """The teacher's logits, filled."""
        from segshrink.distillation import TeacherCache

        cache = TeacherCache(self.cache_folder, self.teacher, self.dataset.train)
        cache.fill()
        return cache

    def trainee(self, steps: int):
        """(model to compile and fit, its loss for compile)."""
        from segshrink.distillation import Distiller
        from segshrink.distillation.mix import build_terms
        from segshrink.training.train import supervised_loss

        loss = supervised_loss(self.training(steps).loss, self.dataset)
        if not self.spec:
            return self.student, loss
        if "keras" in self.spec:
            return keras_distiller(self.teacher, self.student), loss
        chosen = self.distillation
        terms, _ = build_terms(chosen, self.teacher, self.student, steps=steps)
        distiller = Distiller(
            self.student,
            None if self.cached else self.teacher,
            supervised=loss,
            terms=terms,
            supervised_weight=chosen.supervised,
            boundary_weight=chosen.boundary_weight,
        )
        return distiller, None


def keras_distiller(teacher, student):
    """As its documentation shows it; temperature and weights are its defaults."""
    from keras.distillation import Distiller, LogitsDistillation

    return Distiller(teacher, student, LogitsDistillation())


# --- time ----------------------------------------------------------------------------


def measure(arguments) -> None:
    """Seconds of a training step, all methods in turn: DIR/times.json."""
    from segshrink.data import TileSampler, TileSettings
    from segshrink.records import this_machine
    from segshrink.training.fit import _compile

    times = read(arguments.work / "times.json")
    for kind in arguments.kinds:
        settings = {
            method: Setting(arguments, kind, method, 0) for method in arguments.methods
        }
        cached = next((s for s in settings.values() if s.cached), None)
        cache, fill = None, times.get(kind, {}).get("fill_seconds", 0.0)
        if cached is not None:
            there = (cached.cache_folder / "about.json").exists()
            start = time.perf_counter()
            cache = cached.cache()
            if not there:
                fill = time.perf_counter() - start
        steps = {}
        for method, setting in settings.items():
            trainee, loss = setting.trainee(1000)
            _compile(trainee, setting.training(1000), loss, 1000)
            sampler = TileSampler(
                setting.dataset.train,
                TileSettings(
                    tile_px=_TILE_PX,
                    batch_size=_BATCH,
                    augmentation=setting.training(1000).augmentation,
                    tiles_per_epoch=_TILES,
                ),
                seed=0,
                maps=cache if setting.cached else None,
            )
            steps[method] = (trainee, sampler)
        seconds: dict[str, list[float]] = {method: [] for method in steps}
        for turn in range(_ROUNDS + 1):
            order = list(steps)
            order = order[turn % len(order) :] + order[: turn % len(order)]
            for method in order:
                trainee, sampler = steps[method]
                spent = seconds_a_step(trainee, sampler, turn)
                if turn:  # the first traces and warms up
                    seconds[method].append(spent)
            print(kind, turn, {m: round(s[-1], 3) for m, s in seconds.items() if s})
        times[kind] = {"step_seconds": seconds, "fill_seconds": fill}
        times["machine"] = this_machine().as_plain()
        write(arguments.work / "times.json", times)


def seconds_a_step(trainee, sampler, turn: int) -> float:
    """Of `_STEPS` steps of `fit`, input pipeline included."""
    from segshrink.training.batches import TrainingBatches

    batches = TrainingBatches(sampler)
    start = turn * _STEPS % sampler.steps_per_epoch

    class Some(type(batches)):
        def __len__(self) -> int:
            return _STEPS

        def __getitem__(self, index: int):
            return super().__getitem__((start + index) % sampler.steps_per_epoch)

    some = Some(sampler)
    start_time = time.perf_counter()
    trainee.fit(some, shuffle=False, verbose=0)
    return (time.perf_counter() - start_time) / _STEPS


# --- train ---------------------------------------------------------------------------


def train(arguments) -> None:
    """Every method and seed, each in a process of its own."""
    for kind in arguments.kinds:
        sharing = sum(
            Setting(arguments, kind, method, 0).cached for method in arguments.methods
        )
        fill = read(arguments.work / "times.json")[kind]["fill_seconds"]
        share = fill / max(1, sharing * len(arguments.seeds))
        for seed in arguments.seeds:
            for method in arguments.methods:
                run = f"{kind}:{method}:{seed}"
                if (folder_of(arguments.work, run) / "result.json").exists():
                    continue
                command = [sys.executable, __file__, "one", *arguments.inputs]
                command += ["--split", arguments.split, "--work", str(arguments.work)]
                command += ["--seconds", str(arguments.seconds), "--run", run]
                command += ["--fill-share", str(share)]
                if arguments.student:
                    command += ["--student", str(arguments.student)]
                subprocess.run(command, check=True)


def train_one(arguments) -> None:
    """One run: DIR/runs/RUN/result.json."""
    from segshrink.training import Objective, TrainingContext, fit
    from segshrink.training.validation import Validator

    kind, method, seed = arguments.run.split(":")
    setting = Setting(arguments, kind, method, int(seed))
    times = read(arguments.work / "times.json")
    timed = times[kind]
    seconds = arguments.seconds - (arguments.fill_share if setting.cached else 0)
    steps = round(seconds / statistics.median(timed["step_seconds"][method]))
    trainee, loss = setting.trainee(steps)
    folder = folder_of(arguments.work, arguments.run)
    result = fit(
        trainee,
        setting.training(steps),
        TrainingContext(dataset=setting.dataset, folder=folder, seed=int(seed)),
        Objective(
            loss=loss,
            model=setting.student,
            teacher_logits=setting.cache() if setting.cached else None,
        ),
    )
    validate = Validator(
        setting.student,
        setting.dataset.val,
        num_classes=setting.dataset.classes.num_classes,
        tile_px=_TILE_PX,
        batch_size=_BATCH,
    )
    quality = validate().confusion
    found = {
        "miou": quality.mean_iou(),
        "pixel_accuracy": quality.pixel_accuracy,
        "steps": steps,
        "seconds": result.seconds,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    write(folder / "result.json", found)
    print(arguments.run, found, flush=True)


def folder_of(work: Path, run: str) -> Path:
    return work / "runs" / run.replace(":", "-").replace(" ", "_").replace(",", "")


# --- table ---------------------------------------------------------------------------


def write_table(arguments) -> None:
    """JSON and table of what is there."""
    times = read(arguments.work / "times.json")
    kinds: dict[str, dict] = {}
    for kind in (kind for kind in _LEARNING_RATE if kind in times):
        steps = times[kind]["step_seconds"]
        rows = {
            method: {
                "step_seconds": steps[method],
                "runs": results_of(arguments.work, f"{kind}:{method}:"),
            }
            for method in _METHODS
            if method in steps
        }
        kinds[kind] = {"fill_seconds": times[kind]["fill_seconds"], "rows": rows}
    found = {
        "machine": times["machine"],
        "teacher_miou": read(arguments.work / "teacher.json").get("miou"),
        "seconds": arguments.seconds,
        "learning_rate": _LEARNING_RATE,
        "kinds": kinds,
    }
    write(arguments.out / f"{arguments.name}.json", found)
    (arguments.out / f"{arguments.name}.md").write_text(table(found))
    print(table(found))


def results_of(work: Path, run: str) -> list[dict]:
    name = folder_of(Path(), run).name
    return [read(x) for x in sorted(work.glob(f"runs/{name}[0-9]*/result.json"))]


_TITLES = {
    "compact": "Compact student (width 32, stem stride 4)",
    "pruned": "Pruned student",
}


def table(found: dict) -> str:
    """Markdown, one table a kind of student that was trained."""
    teacher = found["teacher_miou"]
    lines = [
        f"Every method had {found['seconds']:.0f} seconds of training on "
        f"{found['machine']['processor']}, {found['machine']['cores']} cores; the "
        "runs that replay the teacher's logits share the seconds of storing them. "
        "mIoU in % on the validation scenes of the aerial data: mean ± standard "
        "deviation over seeds (lowest to highest); gain over the student alone of "
        "the same seed"
        + (f"; the teacher has {100 * teacher:.1f}" if teacher else "")
        + ". An epoch is 400 tiles of 256 x 256 pixels in batches of 4: median of "
        "interleaved rounds; beside the student alone in the same rounds."
        + beside_a_large_teacher(found["kinds"].get("smallest")),
        "",
    ]
    for kind, title in _TITLES.items():
        if kind not in found["kinds"]:
            continue
        rows, fill = found["kinds"][kind]["rows"], found["kinds"][kind]["fill_seconds"]
        lines += [
            f"**{title}.** Storing the teacher's logits takes {fill:.0f} s.",
            "",
            "| | mIoU | gain | seeds | steps | s an epoch | x alone | peak memory |",
            "|---|---|---|---:|---:|---:|---:|---:|",
        ]
        means = {m: mean_miou(row) for m, row in rows.items() if row["runs"]}
        for method, row in rows.items():
            chosen = is_default(_METHODS[method], kind)
            name = f"{method} (default)" if chosen else method
            step = statistics.median(row["step_seconds"])
            cost = f"{step * _TILES / _BATCH:.1f} | {ratio(rows, method):.2f}"
            if not row["runs"]:
                lines.append(f"| {name} | | | | | {cost} | |")
                continue
            mious = [100 * run["miou"] for run in row["runs"]]
            mean = f"{statistics.mean(mious):.1f}"
            if means[method] == max(means.values()):
                mean = f"**{mean}**"
            spread = statistics.stdev(mious) if len(mious) > 1 else 0.0
            memory = statistics.median(run["peak_memory_bytes"] for run in row["runs"])
            lines.append(
                f"| {name} | {mean} ± {spread:.1f} ({min(mious):.1f} to "
                f"{max(mious):.1f}) | {gain(rows, method)} | {len(mious)} "
                f"| {row['runs'][0]['steps']} "
                f"| {cost} | {memory / 2**30:.1f} GiB |"
            )
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def is_default(spec: dict, kind: str) -> bool:
    """Whether it is what the package does where a recipe says nothing."""
    from segshrink.distillation.mix import DEFAULTS

    return spec == {"losses": DEFAULTS[package_kind(kind)].losses}


def package_kind(kind: str) -> str:
    return "pruned" if kind == "pruned" else "compact"


def gain(rows: dict, method: str) -> str:
    """MIoU over that of the student alone of the same seed, in words."""
    if method == "alone":
        return ""
    pairs = zip(rows[method]["runs"], rows["alone"]["runs"], strict=False)
    gains = [100 * (ours["miou"] - alone["miou"]) for ours, alone in pairs]
    mean = statistics.mean(gains)
    return f"{mean:+.1f} ({min(gains):+.1f} to {max(gains):+.1f})"


def beside_a_large_teacher(of_kind: dict | None) -> str:
    """The cost where the teacher is large and the student small, as a sentence."""
    if of_kind is None:
        return ""
    rows = of_kind["rows"]
    others = [
        f"{method} {ratio(rows, method):.2f}" for method in rows if method != "alone"
    ]
    return (
        " With the U-Net of 3.0 G MACs as teacher and a compact student of 19 M (width "
        f"16), a step takes, as multiples of the student alone: {', '.join(others)}."
    )


def ratio(rows: dict, method: str) -> float:
    """A step's seconds over those of the student alone, of the same round.

    The machine is not equally fast in all of them.
    """
    return statistics.median(
        ours / theirs
        for ours, theirs in zip(
            rows[method]["step_seconds"], rows["alone"]["step_seconds"], strict=True
        )
    )


def mean_miou(row: dict) -> float:
    return statistics.mean(run["miou"] for run in row["runs"])


def read(path: Path):
    return json.loads(path.read_text()) if path.exists() else {}


def write(path: Path, data) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2) + "\n")


if __name__ == "__main__":
    main()
