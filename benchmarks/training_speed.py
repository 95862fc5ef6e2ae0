"""Patches a second in training, one choice changed at a time.

Every variant runs in a process of its own, round after round in a new order, so that
all share the machine's moods. The baseline is a plain `model.fit` of the same U-Net
(1.94 M weights, 256 x 256 patches) on arrays in memory.

    python benchmarks/training_speed.py --rounds 3 --out benchmarks/training_speed.json
"""

import argparse
import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_PATCH_PX = 256
_CLASSES = 6
_BASE = {
    "backend": "tensorflow",
    "onednn": "1",
    "batch": 8,
    "jit": False,
    "precision": "float32",
    "norm": "batch",
    "pipeline": False,
    "loss": "segshrink",
}
VARIANTS = {
    "plain model.fit, arrays in memory": {"norm": None, "onednn": "0", "loss": "keras"},
    "the same, oneDNN on": {"norm": None, "loss": "keras"},
    "with BatchNorm": {"loss": "keras"},
    "with our cross-entropy": {},
    "with our input pipeline": {"pipeline": True},
    "batch 4": {"batch": 4},
    "batch 16": {"batch": 16},
    "XLA": {"jit": True},
    "mixed bfloat16": {"precision": "mixed_bfloat16"},
    "JAX": {"backend": "jax", "jit": True},
    "PyTorch": {"backend": "torch"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--limit", type=float, default=240, help="seconds a variant")
    parser.add_argument("--out", type=Path, default=Path("training_speed.json"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(json.loads(arguments.one), arguments.steps)))
        return
    for record in compare(arguments.rounds, arguments.steps, arguments.limit):
        arguments.out.write_text(json.dumps(record, indent=2) + "\n")
        arguments.out.with_suffix(".md").write_text(table(record))
    print(table(record))


def compare(rounds: int, steps: int, limit: float) -> Iterator[dict]:
    """Yield the record so far after every round."""
    from segshrink.records import this_machine

    speeds: dict[str, list[float]] = {name: [] for name in VARIANTS}
    remarks: dict[str, str] = {}
    order = random.Random(0)
    for number in range(rounds):
        names = [name for name in VARIANTS if name not in remarks]
        for name in order.sample(names, len(names)):
            choice = _BASE | VARIANTS[name]
            found = run_apart(choice, steps, limit)
            if isinstance(found, str):
                remarks[name] = found
            else:
                speeds[name].append(found)
            print(f"round {number + 1}: {name}: {found}", file=sys.stderr, flush=True)
        yield {
            "what": "256 x 256 patches a second, U-Net with 16 base filters",
            "machine": this_machine().as_plain(),
            "versions": versions(),
            "rounds": number + 1,
            "steps": steps,
            "speeds": speeds,
            "remarks": remarks,
        }


def run_apart(choice: dict, steps: int, limit: float) -> float | str:
    backend = {"torch": "torch", "jax": "jax"}.get(choice["backend"])
    if backend and importlib.util.find_spec(backend) is None:
        return "not installed"
    environment = os.environ | {
        "KERAS_BACKEND": choice["backend"],
        "TF_ENABLE_ONEDNN_OPTS": choice["onednn"],
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, __file__, "--steps", str(steps)]
    command += ["--one", json.dumps(choice)]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return f"did not finish {steps} steps in {limit:.0f} s"
    if done.returncode:
        return "failed: " + done.stderr.strip().splitlines()[-1][:160]
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(choice: dict, steps: int) -> float:
    import keras
    import numpy as np

    from segshrink.models import build_model

    keras.config.set_dtype_policy(choice["precision"])
    model = build_model(
        "unet",
        num_classes=_CLASSES,
        input_shape=(_PATCH_PX, _PATCH_PX, 3),
        norm=choice["norm"],
    )
    model.compile("adamw", loss=loss_of(choice["loss"]), jit_compile=choice["jit"])
    batch = choice["batch"]
    count = batch * steps
    if choice["pipeline"]:
        batches = pipeline(batch, count)
        return timed(model, lambda: model.fit(batches, verbose=0), count)
    generator = np.random.default_rng(0)
    shape = (count, _PATCH_PX, _PATCH_PX)
    images = generator.integers(0, 256, (*shape, 3), dtype=np.uint8)
    labels = generator.integers(0, _CLASSES, shape, dtype=np.uint8)
    return timed(
        model,
        lambda: model.fit(images, labels, batch_size=batch, verbose=0),
        count,
    )


def loss_of(name: str):
    import keras

    from segshrink.objectives import build_loss
    from segshrink.recipe import LossSettings

    if name == "keras":
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return build_loss(LossSettings(), num_classes=_CLASSES)


def pipeline(batch: int, count: int):
    from PIL import Image

    from segshrink.data import TileSampler, TileSettings, open_dataset
    from segshrink.data.synthetic import CLASSES, generate_scene
    from segshrink.recipe import Augmentation
    from segshrink.training.batches import TrainingBatches

    root = Path(tempfile.mkdtemp())
    for number in range(4):
        image, labels = generate_scene(number, size_px=1024, seed=0)
        for kind, pixels, suffix in (
            ("images", image, "jpg"),
            ("masks", CLASSES.colorize(labels), "png"),
        ):
            folder = root / f"scene {number}" / kind
            folder.mkdir(parents=True)
            Image.fromarray(pixels).save(folder / f"view.{suffix}")
    entries = [
        f"- {{name: {name}, color: [{', '.join(map(str, color))}]}}"
        for name, color in zip(CLASSES.names, CLASSES.colors, strict=True)
    ]
    (root / "dataset.yaml").write_text("classes:\n" + "\n".join(entries) + "\n")
    sampler = TileSampler(
        open_dataset(root).train,
        TileSettings(
            tile_px=_PATCH_PX,
            batch_size=batch,
            augmentation=Augmentation(),
            tiles_per_epoch=count,
        ),
        seed=0,
    )
    return TrainingBatches(sampler)


def timed(model, fit, count: int) -> float:
    fit()  # compiles, and fills the cache of decoded images
    began = time.perf_counter()
    fit()
    return count / (time.perf_counter() - began)


def versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("keras", "tensorflow-cpu", "jax", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def table(record: dict) -> str:
    medians = {
        name: statistics.median(values)
        for name, values in record["speeds"].items()
        if values
    }
    plain = medians.get("plain model.fit, arrays in memory")
    machine = record["machine"]
    lines = [
        f"Training speed: {record['what']}.",
        f"{machine['processor']}, {machine['cores']} cores; "
        + ", ".join(f"{name} {number}" for name, number in record["versions"].items())
        + f". Median of {record['rounds']} interleaved rounds of {record['steps']} "
        "steps, each in a process of its own.",
        "",
        "| variant | patches/s | lowest - highest | x plain |",
        "|---|---:|---:|---:|",
    ]
    for name, values in record["speeds"].items():
        if name not in medians:
            lines.append(f"| {name} | {record['remarks'].get(name, '-')} | | |")
            continue
        ratio = f"{medians[name] / plain:.2f}" if plain else "-"
        spread = f"{min(values):.2f} - {max(values):.2f}"
        lines.append(f"| {name} | {medians[name]:.2f} | {spread} | {ratio} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
