r"""How much of the MACs that a latency budget cuts becomes latency, beside other plans.

    python benchmarks/latency_budget.py [--only PATTERN] [--out FOLDER]

Brings a U-Net and a residual network of 256 pixels to a half and a quarter of their
latency in each runtime at one thread: by the latency budget, by uniform pruning and by
a budget of MACs, of a few tries the largest that is measured to fit. All files of a row
are timed once more, in turn. Rows that the record holds are not measured again. On a
machine with other work, `--thread-time` counts the seconds in which the one thread ran.
"""

import argparse
import json
import os
import tempfile
import time
import types
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from itertools import product
from pathlib import Path

import keras
import numpy as np

from segshrink.errors import UsageError
from segshrink.export import export_model
from segshrink.measuring import latency as latency_module
from segshrink.measuring import measure_latency
from segshrink.models import build_model
from segshrink.pruning import LatencyBudget, MacsBudget, plan_pruning
from segshrink.pruning.criteria import CRITERIA
from segshrink.records import this_machine

_PIXELS = 256
_CLASSES = 6
_RUNTIMES = {
    "LiteRT": ("litert", None),
    "ONNX Runtime": ("onnx", None),
    "LiteRT int8": ("litert", "int8"),
}
_SHARES = (0.25, 0.5)
_ROUNDS = 15
_TRIES = 4
_TRY_ROUNDS = 5
_TOOLS = {
    "latency": "latency budget",
    "uniform": "uniform",
    "macs": "MACs budget",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="*", help="rows, as in 'U-Net, LiteRT, *'")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--thread-time", action="store_true")
    arguments = parser.parse_args()
    if arguments.thread_time:
        # Other work takes the processor from the thread, but not these seconds.
        latency_module.time = types.SimpleNamespace(perf_counter=time.thread_time)
    record = arguments.out / "latency_budget.json"
    found = json.loads(record.read_text()) if record.exists() else {"rows": {}}
    found["machine"] = this_machine().as_plain()
    for name, network, runtime, share in rows():
        if name not in found["rows"] and fnmatch(name, arguments.only):
            found["rows"][name] = {
                "clock": "thread" if arguments.thread_time else "wall",
                "load": os.getloadavg()[1],
                **measured(network, runtime, share),
            }
            write(record, found)
            print(name, json.dumps(found["rows"][name], indent=2), flush=True)
    record.with_suffix(".md").write_text(table(found["rows"], found["machine"]))
    print(table(found["rows"], found["machine"]))


def rows() -> Iterator[tuple[str, str, str, float]]:
    """Name, network, runtime and share of each row."""
    for runtime, network, share in product(_RUNTIMES, _NETWORKS, _SHARES):
        # The residual network shows that float plans are not about one network.
        if network == "U-Net" or runtime != "LiteRT int8":
            yield f"{network}, {runtime}, {share:.0%}", network, runtime, share


# --- networks ------------------------------------------------------------------------


def unet() -> keras.Model:
    """The teacher of the package, untrained."""
    shape = (_PIXELS, _PIXELS, 3)
    return build_model("unet", num_classes=_CLASSES, input_shape=shape)


def residual() -> keras.Model:
    """ResNet-18 of half the width, whose stages are added up by 1x1 convolutions."""
    layers = keras.layers

    def convolution(x, filters, size=3, strides=1, relu=True):
        x = layers.Conv2D(
            filters, size, strides=strides, padding="same", use_bias=False
        )(x)
        x = layers.BatchNormalization()(x)
        return layers.ReLU()(x) if relu else x

    image = keras.Input((_PIXELS, _PIXELS, 3))
    x = convolution(layers.Rescaling(1 / 255)(image), 32, strides=2)
    stages = []
    for stage, filters in enumerate((32, 64, 128, 256)):
        for block in range(2):
            strides = 2 if stage and not block else 1
            kept = x
            if strides > 1:
                kept = convolution(x, filters, size=1, strides=2, relu=False)
            x = convolution(x, filters, strides=strides)
            x = layers.ReLU()(layers.Add()([kept, convolution(x, filters, relu=False)]))
        stages.append(x)
    x = convolution(stages.pop(), 64, size=1)
    while stages:
        x = layers.UpSampling2D(2, interpolation="bilinear")(x)
        x = layers.Add()([x, convolution(stages.pop(), 64, size=1)])
        x = convolution(x, 64)
    logits = layers.Conv2D(_CLASSES, 1)(x)
    logits = layers.UpSampling2D(2, interpolation="bilinear")(logits)
    return keras.Model(image, logits, name="residual")


_NETWORKS = {"U-Net": unet, "residual": residual}


# --- a row ---------------------------------------------------------------------------


class Importance:
    """The criterion `group_norm`, which remembers the scores of each group."""

    __name__ = "group_norm"

    def __init__(self) -> None:
        self.scores: list[np.ndarray] = []

    def __call__(self, weights):
        """See `GroupWeights`."""
        self.scores.append(np.asarray(CRITERIA["group_norm"](weights)))
        return self.scores[-1]

    def kept(self, plan) -> float:
        """Harmonic mean over groups of the share of the scores that stays.

        A budget maximizes it.
        """
        pairs = zip(self.scores, plan.groups, strict=True)
        shares = [
            scores[list(group.kept)].sum() / scores.sum() for scores, group in pairs
        ]
        return len(shares) / float(np.sum(1 / np.array(shares)))


def measured(network: str, runtime: str, share: float) -> dict:
    """What each tool's plan for a share of the latency keeps, and how fast it is."""
    keras.utils.set_random_seed(0)
    model = _NETWORKS[network]()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(model, Path(folder), *_RUNTIMES[runtime])
        made = {}
        try:
            made["latency"] = by_latency(bench, share)
        except UsageError as error:
            return {"refused": str(error)}
        made["uniform"] = largest(bench, share, lambda x: {"keep": x})
        made["macs"] = largest(bench, share, lambda x: {"budget": MacsBudget(x)})
        made = {tool: row for tool, row in made.items() if row is not None}
        times = bench.times([row.pop("file") for row in made.values()], _ROUNDS)
        whole = times.pop(0)
        for row, latency in zip(made.values(), times, strict=True):
            row["share"] = latency["median_ms"] / whole["median_ms"]
            row["became"] = row["macs"] / row["share"]
            row["latency"] = latency
        return {"whole": whole, "tools": made}


class Bench:
    """Exports plans of a model for a runtime and times them beside it."""

    def __init__(self, model, folder: Path, runtime: str, quantize) -> None:
        self.model, self.runtime, self.quantize = model, runtime, quantize
        self._folder, self._files = folder, 0
        self.whole = self._export(model)

    def _export(self, model) -> Path:
        self._files += 1
        suffix = {"onnx": ".onnx", "litert": ".tflite"}[self.runtime]
        images = np.random.default_rng(0).integers(0, 256, (4, _PIXELS, _PIXELS, 3))
        return export_model(
            model,
            self._folder / f"{self._files}{suffix}",
            format=self.runtime,
            quantize=self.quantize,
            calibration=images.astype(np.uint8) if self.quantize else None,
        )

    def planned(self, **how) -> dict:
        """A plan as a row: its file, seconds, share of MACs, importance, latency."""
        importance = Importance()
        start, cpu = time.perf_counter(), time.process_time()
        plan = plan_pruning(self.model, criterion=importance, **how)
        row = {
            "seconds": time.perf_counter() - start,
            "cpu_seconds": time.process_time() - cpu,
            "macs": plan.macs_after / plan.macs_before,
            "importance": importance.kept(plan),
            "file": self._export(plan.apply(self.model)),
        }
        if plan.measured is not None:
            row["predicted"] = plan.measured.predicted / plan.measured.before
            row["plan"] = plan.measured.as_plain()
        return row

    def times(self, files: list[Path], rounds: int) -> list[dict]:
        """Latency of the model, then of the files."""
        paths = [self.whole, *files]
        records = measure_latency(paths, threads=1, rounds=rounds)
        return [records[path].as_plain() for path in paths]


def by_latency(bench: Bench, share: float) -> dict:
    budget = LatencyBudget(share, runtime=bench.runtime, quantize=bench.quantize)
    return bench.planned(budget=budget)


def largest(bench: Bench, share: float, how: Callable[[float], dict]) -> dict | None:
    """The plan of the largest number that is measured to be within the share."""
    low, high, best = 0.0, 1.0, None
    for _ in range(_TRIES):
        middle = (low + high) / 2
        try:
            row = bench.planned(**how(middle))
        except UsageError:
            low = middle
            continue
        whole, latency = bench.times([row["file"]], _TRY_ROUNDS)
        if latency["median_ms"] <= share * whole["median_ms"]:
            low, best = middle, row
        else:
            high = middle
    return best


# --- table ---------------------------------------------------------------------------


def table(found: dict[str, dict], machine: dict) -> str:
    """Markdown: one row for each plan."""
    clock = "medians"
    if any(row["clock"] == "thread" for row in found.values()):
        load = max(row["load"] for row in found.values())
        clock = f"CPU time of the thread beside other work (load {load:.0f}), medians"
    lines = [
        "Networks of 256x256 pixels, untrained, at one thread on "
        f"{machine['processor']}; {clock} of {_ROUNDS} rounds (quartiles), all files "
        "of a budget in turn. *Became latency*: times faster, of times fewer MACs. "
        "*Importance*: harmonic mean over groups of the kept share of the scores.",
        "",
        "| network, runtime, budget | plan | ms | latency | predicted | MACs | became "
        "latency | importance | the time that is left | CPU seconds to plan |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in found.items():
        if "refused" in row:
            # Its first sentence says what is left at the least.
            reason = row["refused"].split(". Raise")[0]
            lines.append(f"| {name} | refused: {reason} | | | | | | | | |")
            continue
        for tool, plan in row["tools"].items():
            latency = plan["latency"]
            quartiles = f"{latency['p25_ms']:.2f} to {latency['p75_ms']:.2f}"
            cells = [
                name,
                _TOOLS[tool],
                f"{latency['median_ms']:.2f} ({quartiles})",
                f"{plan['share']:.1%}",
                f"{plan['predicted']:.1%}" if "predicted" in plan else "",
                f"{plan['macs']:.1%}",
                f"{plan['became']:.0%}",
                f"{plan['importance']:.2f}",
                spent(plan["plan"]["spent_ms"]) if "plan" in plan else "",
                f"{plan['cpu_seconds']:.0f}" if "predicted" in plan else "",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def spent(milliseconds: dict[str, float]) -> str:
    """Shares of the time of a plan, by its latency model."""
    names = {"macs": "multiply", "blocks": "fill blocks up", "memory": "move values"}
    total = sum(milliseconds.values())
    return ", ".join(
        f"{milliseconds[part] / total:.0%} {name}"
        for part, name in (*names.items(), ("constant", "constant"))
    )


def write(path: Path, data: dict) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n")


if __name__ == "__main__":
    main()
