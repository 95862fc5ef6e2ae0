"""The teacher: trained by the recipe, or taken from a file."""

import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path

import keras

from segshrink.compression.context import Context
from segshrink.compression.data import require_fit
from segshrink.compression.stage import run_stage, trained_record, versions
from segshrink.data import Dataset
from segshrink.measuring import count_macs
from segshrink.models import build_model, load_model
from segshrink.recipe import Recipe
from segshrink.records import atomic_write, sha256_of
from segshrink.records.measurement import Role
from segshrink.records.stage import TakenRecord, TrainedRecord
from segshrink.training import train


def fit_teacher(context: Context, folder: Path) -> TrainedRecord:
    """Train the recipe's teacher into `folder` and return its record."""
    recipe = context.recipe
    context.set_seed(Role.TEACHER)
    model = untrained_teacher(recipe, context.dataset)
    result = train(
        model,
        recipe.teacher.training,
        context.training(Role.TEACHER, folder, label="teacher"),
    )
    return trained_record(Role.TEACHER, model, recipe.seed, result)


def copy_teacher(context: Context, file: Path, folder: Path) -> TakenRecord:
    """Copy a trained teacher into `folder` and return its record."""
    with atomic_write(folder / "model.keras") as partial:
        shutil.copyfile(file, partial)
    return TakenRecord(
        kind=Role.TEACHER,
        **asdict(count_macs(load_model(file))),
        seed=context.recipe.seed,
        versions=versions(),
        taken_from=file.name,
        sha256=sha256_of(file),
    )


def make_teacher(context: Context, folder: Path, file: Path | None) -> None:
    """Run the stage of the teacher: train it, or copy it from `file` if given."""
    if file is None:
        run_stage(folder, partial(fit_teacher, context), TrainedRecord)
    else:
        run_stage(folder, partial(copy_teacher, context, file), TakenRecord)


def untrained_teacher(recipe: Recipe, dataset: Dataset) -> keras.Model:
    """The recipe's teacher with fresh weights."""
    tile_px = recipe.data.tile_px
    return build_model(
        num_classes=dataset.classes.num_classes,
        input_shape=(tile_px, tile_px, 3),
        **recipe.teacher.model.model_dump(),
    )


def checked_teacher_file(recipe: Recipe, dataset: Dataset) -> Path | None:
    """The recipe's teacher file; None if the recipe trains its teacher.

    Raises:
        ModelError: if the file does not hold a model, or the model does not fit the
            data.
    """
    if recipe.teacher.file is None:
        return None
    file = Path(recipe.teacher.file)
    require_fit(load_model(file), file, dataset, recipe.data.tile_px)
    return file
