"""The work of one trial, in a process that may have had others before.

A trial and its search exchange files in the folder of the trial, each written whole:

    recipe.yaml   the recipe to try                     (written by the search)
    job.json      instructions                          (the search)
    process.json  host and process that work on it      (the trial)
    probe.json    the exported file before training     (the trial)
    go.json       permission to train                   (the search)
    stop          request to stop                       (the search)
    history.csv   one row per epoch                     (the trial)
    result.json   the result                            (the trial)
    error.json    or the error that ended the trial     (the trial)
"""

import hashlib
import json
import time
from functools import partial
from pathlib import Path

import keras

from segshrink.compression.context import Context
from segshrink.compression.exporting import (
    accuracy_control_of,
    export_checked,
    formats_to_make,
)
from segshrink.compression.output import settle_output
from segshrink.compression.stage import run_stage
from segshrink.compression.student import make_student, untrained_student
from segshrink.compression.teacher import fit_teacher
from segshrink.data import plain_tiles
from segshrink.export import export_model
from segshrink.formats import Format, Output, Precision
from segshrink.measuring import count_macs, measure_quality
from segshrink.models import load_model
from segshrink.recipe import ExportSettings, Recipe, load_recipe
from segshrink.records.run import ExportCheck
from segshrink.records.stage import TrainedRecord
from segshrink.records.trial import Job, Probe, Result
from segshrink.runtimes import load_artifact
from segshrink.search.between_trials import Kept
from segshrink.search.paths import GO, JOB, PROBE, RECIPE, RESULT
from segshrink.search.stopping import StoppingProgress

_PROBE_TILES = 2
_WAIT_SECONDS = 0.1


def measured_format(settings: ExportSettings) -> tuple[Format, Precision]:
    """Format and precision of the file of a student that a search measures.

    It is int8 LiteRT if the recipe exports that, else the first of its files.
    """
    int8 = Format.LITERT, Precision.INT8
    made = formats_to_make(settings)
    return int8 if int8 in made else made[0]


def run_trial(folder: Path, kept: Kept) -> None:
    """Do the job of a folder and leave a result; see the module for the files.

    The result does not depend on the trials that the process had before.

    Args:
        folder: of the trial.
        kept: data and teacher of the trial before, which this one replaces if it has
            others.

    Raises:
        SegshrinkError: if the trial, or every trial of the search, is impossible.
        TrialStopped: if the search has asked for it.
    """
    kept.forget()
    job = Job.read(folder / JOB)
    recipe = load_recipe(folder / RECIPE)
    progress = StoppingProgress(folder)
    context = Context(recipe, kept.dataset(recipe), folder, progress)
    if job.of == "teacher":
        result = _train_teacher(context)
    else:
        result = _train_student(context, job, kept.teacher(Path(job.teacher or "")))
    result.write(folder / RESULT)


def _train_teacher(context: Context) -> Result:
    record = run_stage(context.folder, partial(fit_teacher, context), TrainedRecord)
    return Result.parse(_figures(record), where=context.folder)


def _train_student(context: Context, job: Job, teacher: keras.Model) -> Result:
    recipe, folder = context.recipe, context.folder
    if job.probe and not (folder / "record.json").is_file():
        _probe(context, teacher)
    logits = _shared_logits(recipe, Path(job.logits or ""))
    make = partial(make_student, context, teacher, cache=logits)
    record = run_stage(folder, make, TrainedRecord)
    path = folder / f"student{measured_format(recipe.export)[0].suffix}"
    exported = _export(context, folder / "model.keras", path)
    quality = measure_quality(
        load_artifact(path), context.dataset.val, context.dataset.classes
    )
    file = {
        "miou": quality.mean_iou,
        "file": path.name,
        "size_bytes": path.stat().st_size,
        "remedy": exported.remedy,
    }
    return Result.parse(_figures(record) | file, where=folder)


def _figures(record: TrainedRecord) -> dict[str, float | int | None]:
    return {
        "miou": record.best_val_miou,
        "val_loss": record.best_val_loss,
        "macs": record.macs,
        "parameters": record.parameters,
    }


def _shared_logits(recipe: Recipe, folder: Path) -> Path:
    """Folder of the teacher's logits, shared by the trials that need the same ones."""
    settings = recipe.student.distillation
    training = recipe.student.training
    views = settings.views_under(training.augmentation)
    key = {
        "views": views,
        "photometric": training.augmentation.photometric if views > 1 else 0.0,
        "limit": settings.cache_mb,
        "averaged": settings.cache_averaged,
    }
    # Folders of searches that were begun without a stride keep their name.
    if settings.cache_stride is not None:
        key["stride"] = settings.cache_stride
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return folder / digest[:12]


def _export(context: Context, model: Path, path: Path) -> ExportCheck:
    """Export a student as `compress` does."""
    recipe = context.recipe
    _, precision = measured_format(recipe.export)
    checked = export_checked(
        load_model(model),
        path,
        context.dataset,
        precision=precision,
        tiles=recipe.export.calibration_tiles,
        control=accuracy_control_of(recipe, model),
    )
    settle_output(path, Output(recipe.export.output), context.dataset.val)
    return checked


def _probe(context: Context, teacher: keras.Model) -> None:
    """Export the student before training, and wait for permission to train.

    Neither its size nor its latency depends on its weights.
    """
    folder = context.folder
    if not (folder / PROBE).is_file():
        model = untrained_student(context, teacher, folder)
        format, precision = measured_format(context.recipe.export)
        path = folder / f"probe{format.suffix}"
        tiles, _ = plain_tiles(context.dataset.train, context.tile_px, _PROBE_TILES)
        export_model(
            model,
            path,
            format=format,
            quantize=precision,
            calibration=tiles if precision.is_calibrated else None,
            output=context.recipe.export.output,
        )
        cost = count_macs(model)
        Probe(
            file=path.name,
            size_bytes=path.stat().st_size,
            macs=cost.macs,
            parameters=cost.parameters,
        ).write(folder / PROBE)
        keras.utils.clear_session()
    while not (folder / GO).is_file():
        StoppingProgress(folder).require_going()
        time.sleep(_WAIT_SECONDS)
