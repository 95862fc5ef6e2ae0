"""What is done for one trial, in a process of its own.

A trial leaves files in its folder, each written whole, by which the search follows it:

    recipe.yaml   what is tried                 (the search)
    job.json      how                           (the search)
    process.json  host and process at work      (the trial)
    probe.json    the file before training      (the trial)
    go.json       it may be trained             (the search)
    history.csv   a row for each epoch          (the trial)
    result.json   what came out                 (the trial)
    error.json    or why nothing did            (the trial)
"""

import hashlib
import json
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import keras

from segshrink.compression.accuracy_control import Limit
from segshrink.compression.context import Context
from segshrink.compression.data import open_recipe_data
from segshrink.compression.exporting import calibration_tiles, export_checked
from segshrink.compression.stage import run_stage
from segshrink.compression.student import make_student, untrained_student
from segshrink.compression.teacher import fit_teacher
from segshrink.data import Dataset, plain_tiles
from segshrink.export import export_model
from segshrink.formats import Format, Precision
from segshrink.measuring import count_macs, measure_quality, measure_size
from segshrink.models import load_model
from segshrink.progress import SilentProgress
from segshrink.recipe import ExportSettings, Recipe, load_recipe
from segshrink.records import read_json, write_json
from segshrink.records.stage import TrainedRecord
from segshrink.runtimes import load_artifact
from segshrink.search.files import (
    GO,
    JOB,
    PROBE,
    RECIPE,
    RESULT,
)

_PROBE_TILES = 2
_WAIT_SECONDS = 0.1


def measured_format(settings: ExportSettings) -> tuple[Format, Precision]:
    """Format and precision of the file of a student that a search measures.

    It is int8 LiteRT if the recipe makes that, else float32 LiteRT, else ONNX.
    """
    if settings.int8:
        return Format.LITERT, Precision.INT8
    if settings.litert:
        return Format.LITERT, Precision.FLOAT32
    return Format.ONNX, Precision.FLOAT32


def run_trial(folder: Path) -> None:
    """Do what `folder/job.json` says; see the module for what is left there.

    Raises:
        SegshrinkError: for what makes the trial, or the search, impossible.
    """
    job = read_json(folder / JOB)
    recipe = load_recipe(folder / RECIPE)
    dataset = open_recipe_data(recipe, SilentProgress())
    context = Context(recipe, dataset, folder)
    found = (
        _of_teacher(context) if job["of"] == "teacher" else _of_student(context, job)
    )
    write_json(folder / RESULT, found)


def _of_teacher(context: Context) -> dict[str, Any]:
    record = run_stage(context.folder, partial(fit_teacher, context), TrainedRecord)
    return {
        "miou": record.best_val_miou,
        "val_loss": record.best_val_loss,
        "macs": record.macs,
        "parameters": record.parameters,
    }


def _of_student(context: Context, job: dict[str, Any]) -> dict[str, Any]:
    recipe, folder = context.recipe, context.folder
    teacher = Path(job["teacher"])
    if job["probe"] and not (folder / "record.json").is_file():
        _probe(context, teacher)
    logits = _shared_logits(recipe, Path(job["logits"]))
    make = partial(make_student, context, teacher, cache=logits)
    record = run_stage(folder, make, TrainedRecord)
    format, _ = measured_format(recipe.export)
    path = folder / f"student{format.suffix}"
    found = export_student(recipe, context.dataset, folder / "model.keras", path)
    return found | {
        "val_loss": record.best_val_loss,
        "macs": record.macs,
        "parameters": record.parameters,
        "remedy": found["remedy"],
    }


def _shared_logits(recipe: Recipe, folder: Path) -> Path:
    """Where the teacher's logits lie for all trials that need the same ones."""
    settings = recipe.student.distillation
    views = settings.cache_views or 1
    key = {
        "views": views,
        "photometric": recipe.student.training.augmentation.photometric
        if views > 1
        else 0.0,
        "limit": settings.cache_mb,
        "averaged": settings.cache_averaged,
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return folder / digest[:12]


def export_student(
    recipe: Recipe, dataset: Dataset, model: Path, path: Path
) -> dict[str, Any]:
    """Export a student as `compress` does, and measure the file on validation images.

    Returns:
        `"file"`, `"miou"`, `"size_bytes"` and `"remedy"`.
    """
    settings = recipe.export
    format, precision = measured_format(settings)
    exported = export_checked(
        load_model(model),
        path,
        format,
        dataset=dataset,
        calibration=calibration_tiles(
            dataset, recipe.data.tile_px, settings.calibration_tiles
        ),
        precision=precision,
        limit=Limit(
            max_drop=settings.max_drop,
            training=recipe.student.training,
            epochs=settings.qat_epochs,
            folder=model.parent / "int8",
            seed=recipe.seed,
        ),
    )
    quality = measure_quality(load_artifact(path), dataset.val, dataset.classes)
    return {
        "file": path.name,
        "miou": quality["mean_iou"],
        "size_bytes": path.stat().st_size,
        "remedy": exported["remedy"],
    }


def _probe(context: Context, teacher: Path) -> None:
    """Export the student as it is before training, and wait to be let go on.

    Neither its size nor its latency depends on its weights.
    """
    recipe, folder = context.recipe, context.folder
    if not (folder / PROBE).is_file():
        model = untrained_student(context, load_model(teacher), folder)
        format, precision = measured_format(recipe.export)
        path = folder / f"probe{format.suffix}"
        tiles, _ = plain_tiles(context.dataset.train, context.tile_px, _PROBE_TILES)
        export_model(
            model,
            path,
            format=format,
            quantize=precision,
            calibration=tiles if precision.is_calibrated else None,
        )
        size = asdict(count_macs(model))
        write_json(
            folder / PROBE,
            {
                "file": path.name,
                "size_bytes": measure_size(path)["size_bytes"],
                "macs": size["macs"],
                "parameters": size["parameters"],
            },
        )
        keras.utils.clear_session()
    while not (folder / GO).is_file():
        time.sleep(_WAIT_SECONDS)
