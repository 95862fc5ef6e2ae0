r"""The same trained U-Net through torch-pruning, uniform pruning and segshrink.

    python benchmarks/pruning_vs_torch_pruning.py prune MODEL.keras DATA --split FILE \
        --work DIR --torch-python PYTHON
    python benchmarks/pruning_vs_torch_pruning.py finetune DATA --split FILE --work DIR
    python benchmarks/pruning_vs_torch_pruning.py measure MODEL.keras --work DIR \
        --torch-python PYTHON

`prune` brings the model to shares of its MACs and of its latency in each runtime with
each tool, `finetune` measures each result on the validation part, trains all of them
alike (on any backend, in parallel with `--part 1/4`), and `measure` times the files and
writes the table. PYTHON is one that has torch and torch-pruning. All of it goes on
where it stopped.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_MACS = (0.5, 0.25)
_LATENCY = 0.25
_RUNTIMES = ("onnx", "litert")
_SEEDS = (0, 1, 2)
_TILES = 64
_TRAINING = {
    "epochs": 3,
    "tiles_per_epoch": 400,
    "batch_size": 4,
    "learning_rate": 1e-3,
    "validate_every": 3,
}
_BRIDGE = Path(__file__).with_name("torch_pruning_bridge.py")
_NAMES = {
    "ours": "segshrink",
    "ours_plain": "segshrink, no recovery",
    "torch_pruning": "torch-pruning 1.6.1",
    "uniform": "uniform",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("prune", "finetune", "measure"))
    parser.add_argument("inputs", nargs="+", help="MODEL and DATA, as above")
    parser.add_argument("--split")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--torch-python")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--only", default="*", help="pattern of names, as in macs25-*")
    parser.add_argument("--seeds", type=int, nargs="+", default=_SEEDS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    {"prune": prune, "finetune": finetune, "measure": measure}[arguments.stage](
        arguments
    )


# --- prune ---------------------------------------------------------------------------


def prune(arguments) -> None:
    """Make all candidates: DIR/models/TARGET-TOOL.keras and DIR/models.json."""
    from segshrink.data import open_dataset, plain_tiles
    from segshrink.measuring import count_macs
    from segshrink.models import load_model, save_model

    model_path, data = arguments.inputs
    model, work = load_model(Path(model_path)), arguments.work
    dataset = open_dataset(data, split=Path(arguments.split))
    write(work / "whole.json", {"miou": mean_iou(model, dataset)})
    tiles = plain_tiles(dataset.train, 256, _TILES)
    sweeps = {n: sweep(arguments, Path(model_path), n) for n in (8, 4)}
    made = read(work / "models.json")
    whole = count_macs(model)

    def keep(name: str, smaller, facts: dict) -> None:
        save_model(smaller, work / "models" / f"{name}.keras")
        counted = count_macs(smaller)
        made[name] = {
            "macs": counted.macs / whole.macs,
            "parameters": counted.parameters / whole.parameters,
            **facts,
        }
        write(work / "models.json", made)
        print(name, made[name], flush=True)

    for share in _MACS:
        by_macs(model, tiles, share, sweeps[8], made, keep)
    for runtime in _RUNTIMES:
        by_latency(model, tiles, runtime, sweeps, made, keep)


def sweep(arguments, model_path: Path, round_to: int) -> list[Path]:
    """The model pruned by torch-pruning at many ratios."""
    folder = arguments.work / f"torch-pruning-{round_to}"
    if not (folder / "index.json").exists():
        command = [arguments.torch_python, str(_BRIDGE), str(model_path)]
        command += ["--out", str(folder), "--round-to", str(round_to)]
        environment = os.environ | {"KERAS_BACKEND": "torch"}
        subprocess.run(command, check=True, env=environment)
    return [folder / row["file"] for row in read(folder / "index.json")]


def by_macs(model, tiles, share: float, files: list[Path], made: dict, keep) -> None:
    """Each tool's largest model within a share of the MACs."""
    from segshrink.measuring import count_macs
    from segshrink.models import load_model
    from segshrink.pruning import MacsBudget, plan_pruning, reconstruct

    name = f"macs{100 * share:.0f}"
    limit = share * count_macs(model).macs
    if f"{name}-ours" not in made:
        start = time.perf_counter()
        plan = plan_pruning(model, budget=MacsBudget(share))
        smaller = plan.apply(model)
        seconds = time.perf_counter() - start
        keep(f"{name}-ours_plain", smaller, {"seconds": seconds})
        recovered = reconstruct(smaller, model, plan, tiles[0])
        keep(f"{name}-ours", recovered, {"seconds": time.perf_counter() - start})
    for tool, candidates in (
        ("torch_pruning", map(load_model, files)),
        ("uniform", uniform(model)),
    ):
        if f"{name}-{tool}" not in made:
            fitting = [(count_macs(c).macs, c) for c in candidates]
            best = max((f for f in fitting if f[0] <= limit), key=lambda f: f[0])
            keep(f"{name}-{tool}", best[1], {})


def by_latency(model, tiles, runtime: str, sweeps: dict, made: dict, keep) -> None:
    """Each tool's largest model that is measured to be within a share of the time."""
    from segshrink.measuring import count_macs
    from segshrink.models import load_model
    from segshrink.pruning import LatencyBudget, plan_pruning, reconstruct

    name = f"{runtime}{100 * _LATENCY:.0f}"
    if f"{name}-ours" not in made:
        start = time.perf_counter()
        plan = plan_pruning(model, budget=LatencyBudget(_LATENCY, runtime=runtime))
        smaller = plan.apply(model)
        seconds = time.perf_counter() - start
        facts = {"seconds": seconds, "plan": plan.measured.as_plain()}
        keep(f"{name}-ours_plain", smaller, facts)
        keep(f"{name}-ours", reconstruct(smaller, model, plan, tiles[0]), facts)
    for tool, candidates in (
        ("torch_pruning", lambda step: map(load_model, sweeps[step])),
        ("uniform", lambda step: uniform(model, multiple_of=step)),
    ):
        if f"{name}-{tool}" in made:
            continue
        # Layers of 4 channels train badly: they are for what 8 cannot reach.
        for step in sweeps:
            # More MACs than this do not fit into the time.
            small = [
                each
                for each in candidates(step)
                if count_macs(each).macs < _LATENCY * count_macs(model).macs
            ]
            ratios = latency_ratios(model, small, runtime) if small else []
            timed = [
                (count_macs(each).macs, ratio, each)
                for each, ratio in zip(small, ratios, strict=True)
            ]
            if any(ratio <= _LATENCY for _, ratio, _ in timed):
                break
        # A tool that cannot keep the budget shows the fastest that it can make.
        fitting = [found for found in timed if found[1] <= _LATENCY]
        fitting = fitting or [min(timed, key=lambda found: found[1])]
        _, ratio, best = max(fitting, key=lambda found: found[0])
        keep(f"{name}-{tool}", best, {"plan": {"after": ratio, "before": 1.0}})


def uniform(model, multiple_of: int = 8):
    """Every layer at the same share of its channels, from all to few."""
    from segshrink.pruning import plan_pruning

    seen = set()
    for keep in range(98, 3, -2):
        plan = plan_pruning(model, keep=keep / 100, multiple_of=multiple_of)
        if plan.parameters_after not in seen:
            seen.add(plan.parameters_after)
            yield plan.apply(model)


def latency_ratios(model, candidates: list, runtime: str) -> list[float]:
    """Each candidate's median time, as a share of the model's in the same rounds."""
    from segshrink.export import export_model
    from segshrink.measuring import measure_latency

    with tempfile.TemporaryDirectory() as folder:
        suffix = {"onnx": ".onnx", "litert": ".tflite"}[runtime]
        files = [
            export_model(each, Path(folder) / f"{place}{suffix}", format=runtime)
            for place, each in enumerate([model, *candidates])
        ]
        records = measure_latency(files, threads=1, rounds=9)
    times = [records[file].median_ms for file in files]
    return [ms / times[0] for ms in times[1:]]


# --- finetune ------------------------------------------------------------------------


def finetune(arguments) -> None:
    """Validation mIoU of each candidate at once and after the same training."""
    from segshrink.data import open_dataset
    from segshrink.models import load_model
    from segshrink.recipe import TrainingSettings
    from segshrink.training import TrainingContext, train

    (data,) = arguments.inputs
    dataset = open_dataset(data, split=Path(arguments.split))
    part, parts = map(int, arguments.part.split("/"))
    runs = [
        (path, seed)
        for seed in arguments.seeds
        for path in sorted((arguments.work / "models").glob(f"{arguments.only}.keras"))
    ]
    for path, seed in runs[part - 1 :: parts]:
        folder = arguments.work / "runs" / f"{path.stem}-{seed}"
        if (folder / "result.json").exists():
            continue
        model = load_model(path)
        once = mean_iou(model, dataset)
        train(
            model,
            TrainingSettings(**_TRAINING),
            TrainingContext(dataset=dataset, folder=folder, seed=seed),
        )
        found = {"one_shot": once, "tuned": mean_iou(model, dataset)}
        write(folder / "result.json", found)
        print(path.stem, seed, found, flush=True)


def mean_iou(model, dataset) -> float:
    """On the validation part."""
    from segshrink.training.validation import Validator

    validate = Validator(
        model,
        dataset.val,
        num_classes=dataset.classes.num_classes,
        tile_px=256,
        batch_size=4,
    )
    return validate().confusion.mean_iou()


# --- measure -------------------------------------------------------------------------


def measure(arguments) -> None:
    """Time the files of all candidates and write JSON and table."""
    from segshrink.models import load_model
    from segshrink.records import this_machine

    work = arguments.work
    model = load_model(Path(arguments.inputs[0]))
    rows = {
        name: row
        for name, row in read(work / "models.json").items()
        if results_of(work, name)
    }
    names = list(rows)
    candidates = [load_model(work / "models" / f"{name}.keras") for name in names]
    for runtime in _RUNTIMES:
        ratios = latency_ratios(model, candidates, runtime)
        for name, ratio in zip(names, ratios, strict=True):
            rows[name][runtime] = ratio
    for name in names:
        results = results_of(work, name)
        rows[name]["one_shot"] = results[0]["one_shot"]
        rows[name]["tuned"] = [result["tuned"] for result in results]
    found = {
        "machine": this_machine().as_plain(),
        "whole": read(work / "whole.json"),
        "training": _TRAINING,
        "rows": rows,
        "resnet152_seconds": resnet_seconds(arguments.torch_python),
    }
    out = arguments.out / "pruning_vs_torch_pruning.json"
    write(out, found)
    out.with_suffix(".md").write_text(table(found))
    print(table(found))


def results_of(work: Path, name: str) -> list[dict]:
    """Of each seed that was trained."""
    return [read(path) for path in sorted(work.glob(f"runs/{name}-[0-9]*/result.json"))]


def resnet_seconds(torch_python: str) -> dict[str, float]:
    """Seconds to decide and cut half of a ResNet-152; the tools take turns."""
    command = [torch_python, str(_BRIDGE), "--resnet152"]
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    code = f"import sys; sys.path[:0] = [{str(Path(__file__).parent)!r}]\n"
    code += "import pruning_vs_torch_pruning as b; b.print_resnet_seconds()"
    times: dict[str, list[float]] = {"segshrink": [], "torch-pruning": []}
    for _ in range(3):
        for tool, argv, env in (
            ("segshrink", [sys.executable, "-c", code], None),
            ("torch-pruning", command, environment),
        ):
            done = subprocess.run(
                argv, check=True, env=env, capture_output=True, text=True
            )
            times[tool].append(json.loads(done.stdout.splitlines()[-1])["seconds"])
    return {tool: statistics.median(seconds) for tool, seconds in times.items()}


def print_resnet_seconds() -> None:
    """Median seconds to trace and prune a ResNet-152 of 224 pixels, of three times."""
    import keras

    from segshrink.pruning import plan_pruning

    model = keras.applications.ResNet152(weights=None, classifier_activation=None)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        plan_pruning(model, keep=0.5, criterion="group_norm", scope="global").apply(
            model
        )
        times.append(time.perf_counter() - start)
    print(json.dumps({"seconds": statistics.median(times)}))


def table(found: dict) -> str:
    """Markdown; the best of each column and target in bold."""
    training = found["training"]
    lines = [
        f"The same U-Net of mIoU {100 * found['whole']['miou']:.1f}, brought down by "
        f"each tool; fine-tuned for {training['epochs']} epochs of "
        f"{training['tiles_per_epoch']} tiles: mean (lowest to highest, number of "
        "seeds). mIoU in %, on the validation scenes of the aerial data; "
        f"latency at one thread on {found['machine']['processor']}.",
        "",
    ]
    for target in dict.fromkeys(name.split("-")[0] for name in found["rows"]):
        rows = {
            name.split("-")[1]: row
            for name, row in found["rows"].items()
            if name.startswith(f"{target}-")
        }
        lines += [
            f"**{title(target)}**",
            "",
            "| | MACs | weights | ONNX latency | LiteRT latency | mIoU one-shot | "
            "mIoU fine-tuned |",
            "|---|---|---|---|---|---|---|",
        ]
        best = {
            "one_shot": max(row["one_shot"] for row in rows.values()),
            "tuned": max(statistics.mean(row["tuned"]) for row in rows.values()),
        }
        for tool in _NAMES:
            if tool not in rows:
                continue
            row = rows[tool]
            tuned = statistics.mean(row["tuned"])
            once = f"{100 * row['one_shot']:.1f}"
            spread = (
                f" ({100 * min(row['tuned']):.1f} to {100 * max(row['tuned']):.1f}, "
                f"{len(row['tuned'])})"
            )
            cells = [
                _NAMES[tool],
                *(f"{100 * row[key]:.1f} %" for key in ("macs", "parameters")),
                *(f"{1 / row[key]:.2f}x faster" for key in _RUNTIMES),
                f"**{once}**" if row["one_shot"] == best["one_shot"] else once,
                (
                    f"**{100 * tuned:.1f}**"
                    if tuned == best["tuned"]
                    else f"{100 * tuned:.1f}"
                )
                + spread,
            ]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    seconds = found["resnet152_seconds"]
    lines.append(
        "Seconds to trace and prune a ResNet-152 to half its channels: "
        + ", ".join(f"{tool} {value:.1f}" for tool, value in seconds.items())
        + "."
    )
    return "\n".join(lines) + "\n"


def title(target: str) -> str:
    kind = target.rstrip("0123456789")
    share = f"{target.removeprefix(kind)} %"
    runtime = {"onnx": "ONNX Runtime", "litert": "LiteRT"}.get(kind)
    if runtime is None:
        return f"At most {share} of the MACs"
    return f"At most {share} of the latency in {runtime}, one thread"


def read(path: Path):
    return json.loads(path.read_text()) if path.exists() else {}


def write(path: Path, data) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2) + "\n")


if __name__ == "__main__":
    main()
