"""Builds a run folder of made-up records, as test input for reports."""

import copy
import hashlib
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segshrink.formats import Format

CLASSES = {
    "Building": (60, 16, 152),
    "Land": (132, 41, 246),
    "Road": (110, 193, 228),
    "Vegetation": (254, 221, 58),
    "Water": (226, 169, 41),
    "Unlabeled": (155, 155, 155),
}
CLASS_PIXELS = (400_000, 900_000, 350_000, 1_200_000, 150_000, 0)
SCENES = {
    "train": ["Tile 1", "Tile 4", "Tile 6", "Tile 7", "Tile 8"],
    "val": ["Tile 3"],
    "test": ["Tile 2", "Tile 5"],
}

# name: role, runtime, precision, bytes, gzipped, parameters, MACs, ms, mIoU
FILES: dict[str, tuple[str, str, str, int, int, int, int, float, float]] = {
    "teacher": (
        *("teacher", "litert", "float32"),
        *(7_761_000, 7_190_000, 1_940_000, 3_410_000_000, 118.4, 0.7846),
    ),
    "teacher-onnx": (
        *("teacher", "onnx", "float32"),
        *(7_790_000, 7_204_000, 1_940_000, 3_410_000_000, 96.2, 0.7845),
    ),
    "masked": (
        *("masked", "litert", "float32"),
        *(7_761_000, 3_010_000, 1_940_000, 3_410_000_000, 117.9, 0.7702),
    ),
    "alone": (
        *("alone", "litert", "float32"),
        *(1_262_000, 1_160_000, 311_000, 561_000_000, 27.3, 0.7588),
    ),
    "student-float": (
        *("student", "litert", "float32"),
        *(1_262_000, 1_164_000, 311_000, 561_000_000, 27.1, 0.7731),
    ),
    "student-int8": (
        *("student", "litert", "int8"),
        *(358_000, 213_400, 311_000, 561_000_000, 14.6, 0.7708),
    ),
    "student-onnx": (
        *("student", "onnx", "float32"),
        *(1_275_000, 1_171_000, 311_000, 561_000_000, 22.9, 0.7731),
    ),
}


def measurement_record(name: str, **changes: Any) -> dict[str, Any]:
    """The record of one of `FILES`; `changes` replace top-level entries."""
    role, runtime, precision, size, gzipped, parameters, macs, ms, miou = FILES[name]
    record = {
        "name": name,
        "role": role,
        "file": f"artifacts/{name}{Format(runtime).suffix}",
        "format": runtime,
        "precision": precision,
        "runtime": runtime,
        "runtime_version": {"litert": "2.1.0", "onnx": "1.23.0"}[runtime],
        "size": {
            "size_bytes": size,
            "gzipped_bytes": gzipped,
            "sha256": hashlib.sha256(name.encode()).hexdigest(),
        },
        "model": {
            "parameters": parameters,
            "macs": macs,
            "input_shape": [256, 256, 3],
        },
        "latency": {
            "threads": 1,
            "rounds": 15,
            "batch": 1,
            "median_ms": ms,
            "p25_ms": ms * 0.98,
            "p75_ms": ms * 1.03,
            "min_ms": ms * 0.95,
        },
        "quality": _quality(miou),
        "data": {
            "name": "aerial",
            "split": {"source": "file by_tile.json", **SCENES},
            "tile_px": 256,
        },
        "seed": 0,
        "machine": {
            "processor": "Example Processor 3000",
            "cores": 2,
            "system": "Linux x86_64",
            "python": "3.11.9",
        },
        "segshrink": "0.1.0",
    }
    return copy.deepcopy({**record, **changes})


def _quality(miou: float) -> dict[str, Any]:
    offsets = (0.02, 0.06, -0.11, 0.08, -0.05)
    classes = [
        _class_quality(name, pixels, miou + offset)
        for (name, pixels), offset in zip(
            zip(CLASSES, CLASS_PIXELS, strict=True), offsets, strict=False
        )
    ]
    # A class of the data set that stands nowhere in the part.
    undefined = ("precision", "recall", "iou", "dice", "average_precision")
    classes.append({"name": "Unlabeled", "pixels": 0, **dict.fromkeys(undefined)})
    return {
        "part": "test",
        "images": 18,
        "pixels": sum(CLASS_PIXELS),
        "void_pixels": 42_000,
        "pixel_accuracy": miou + 0.11,
        "precision": miou + 0.08,
        "recall": miou + 0.07,
        "mean_iou": miou,
        "mean_dice": miou + 0.09,
        "mean_average_precision": miou + 0.1,
        "classes": classes,
        "curves": {each["name"]: _curve(each["iou"]) for each in classes[:-1]},
    }


def _class_quality(name: str, pixels: int, iou: float) -> dict[str, Any]:
    return {
        "name": name,
        "pixels": pixels,
        "precision": iou + 0.05,
        "recall": iou + 0.04,
        "iou": iou,
        "dice": 2 * iou / (1 + iou),
        "average_precision": iou + 0.07,
    }


def _curve(iou: float) -> dict[str, list[float]]:
    recall = np.linspace(0, 1, 101)
    precision = np.clip(1 - (1 - iou) * recall**3 - 0.9 * recall**30, 0, 1)
    return {"precision": precision.tolist(), "recall": recall.tolist()}


def build_run_folder(
    folder: Path,
    *,
    records: Mapping[str, dict[str, Any]] | None = None,
    classes: Mapping[str, tuple[int, int, int]] | None = None,
    samples: int = 3,
    worst: int = 0,
    sample_px: tuple[int, int] = (60, 80),
    noisy: bool = False,
) -> Path:
    """Write a run folder with every part a report can read.

    `sample_px` is (height, width) of the samples; `noisy` makes every pixel of them
    random, which no picture format can compress.
    """
    records = records or {name: measurement_record(name) for name in FILES}
    classes = classes or CLASSES
    measurements = folder / "measurements"
    measurements.mkdir(parents=True)
    for name, record in records.items():
        _write(measurements / f"{name}.json", record)
    colors = [{"name": name, "color": color} for name, color in classes.items()]
    _write(measurements / "classes.json", colors)
    write = partial(_write_samples, measurements / "samples", records, classes)
    write("samples", samples, sample_px, noisy)
    if worst:
        write("worst", worst, sample_px, noisy)
    for seed, place in enumerate(["teacher", "student", "baselines/alone"]):
        _write_history(folder / place / "history.csv", seed)
    (folder / "recipe.yaml").write_text(
        "seed: 0\ndata:\n  source: aerial\n  tile_px: 256\nbaselines: true\n"
    )
    return folder


def _write(path: Path, record: Any) -> None:
    path.write_text(json.dumps(record))


def _write_history(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True)
    random = np.random.default_rng(seed)
    lines = ["epoch,loss,cross_entropy,val_loss,val_miou,val_pixel_accuracy,seconds"]
    epochs = 30 - 6 * seed
    for epoch in range(1, epochs + 1):
        done = epoch / epochs
        loss = 1.6 * np.exp(-3 * done) + 0.3 + random.normal(0, 0.02)
        miou = 0.77 - 0.02 * seed - 0.55 * np.exp(-5 * done) + random.normal(0, 0.008)
        validated = f"{loss + 0.1:.4f},{miou:.4f},{miou + 0.1:.4f}"
        lines.append(
            f"{epoch},{loss:.4f},{loss:.4f},{validated if epoch % 2 == 0 else ',,'},9.1"
        )
    path.write_text("\n".join(lines) + "\n")


def _write_samples(
    folder: Path,
    records: Mapping[str, Any],
    classes: Mapping[str, tuple[int, int, int]],
    index: str,
    count: int,
    size_px: tuple[int, int],
    noisy: bool,
) -> None:
    folder.mkdir(exist_ok=True)
    palette = np.array(list(classes.values()), np.uint8)
    entries = []
    for number in range(count):
        place = folder / f"{'worst-' if index == 'worst' else ''}{number:02d}"
        place.mkdir()
        tile = "Tile 5" if index == "worst" else "Tile 2"
        entries.append(
            {"image": f"{tile}/image_part_{number:03d}", "folder": place.name}
        )
        random = np.random.default_rng(number)
        truth = _labels(random, len(palette), size_px, noisy)
        photo = palette[truth] // 2 + random.integers(20, 90, (*size_px, 3))
        if noisy:
            photo = random.integers(0, 256, (*size_px, 3))
        Image.fromarray(photo.astype(np.uint8)).save(place / "image.png")
        Image.fromarray(palette[truth]).save(place / "truth.png")
        for name in records:
            wrong = random.random(size_px) < 0.04
            labels = np.where(wrong, random.integers(0, len(palette), size_px), truth)
            Image.fromarray(palette[labels]).save(place / f"{name}.png")
    _write(folder / f"{index}.json", entries)


def _labels(
    random: np.random.Generator, classes: int, size_px: tuple[int, int], noisy: bool
) -> np.ndarray:
    """Blobs around random centres, or noise."""
    if noisy:
        return random.integers(0, classes, size_px)
    height, width = size_px
    rows, columns = np.mgrid[:height, :width]
    centers = random.random((14, 2)) * size_px
    distances = [np.hypot(rows - y, columns - x) for y, x in centers]
    return np.argmin(distances, axis=0) % classes
