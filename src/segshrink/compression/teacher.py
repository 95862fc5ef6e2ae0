"""The teacher: trained as the recipe asks, or taken from a file."""

import shutil
from pathlib import Path
from typing import Any

import keras

from segshrink.compression.data import require_fit
from segshrink.compression.stage import stage_record
from segshrink.data import (
    Dataset,
)
from segshrink.models import build_model, load_model
from segshrink.progress import Progress
from segshrink.recipe import Recipe, TeacherSettings
from segshrink.records import (
    atomic_write,
    sha256_of,
)
from segshrink.training import TrainingContext, train


def make_teacher(
    recipe: Recipe,
    dataset: Dataset,
    folder: Path,
    file: Path | None,
    progress: Progress,
) -> dict[str, Any]:
    """Train the teacher, or take the file, into `folder`; returns its record."""
    if file is not None:
        with atomic_write(folder / "model.keras") as partial:
            shutil.copyfile(file, partial)
        facts: dict[str, Any] = {"taken_from": file.name, "sha256": sha256_of(file)}
        return stage_record("teacher", load_model(file), recipe.seed) | facts
    settings = recipe.teacher
    keras.utils.set_random_seed(recipe.seed)
    model = new_teacher(settings, dataset, recipe.data.tile_px)
    context = TrainingContext(
        dataset=dataset,
        folder=folder,
        seed=recipe.seed,
        progress=progress,
        label="teacher",
    )
    result = train(model, settings.training, context)
    return stage_record("teacher", model, recipe.seed, result)


def new_teacher(
    settings: TeacherSettings, dataset: Dataset, tile_px: int
) -> keras.Model:
    """The teacher's model with fresh weights."""
    return build_model(
        num_classes=dataset.classes.num_classes,
        input_shape=(tile_px, tile_px, 3),
        **settings.model.model_dump(),
    )


def checked_teacher_file(recipe: Recipe, dataset: Dataset) -> Path | None:
    """The recipe's teacher file; None if the recipe trains its teacher.

    Raises:
        ModelError: if the file holds no model, or one that does not fit the data.
    """
    if recipe.teacher.file is None:
        return None
    file = Path(recipe.teacher.file)
    tile_px = recipe.data.tile_px
    require_fit(load_model(file), file, dataset, tile_px)
    return file
