"""The teacher: trained by the recipe, or taken from a file."""

import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path

import keras

from segshrink.compression.any_teacher import open_teacher, require_order
from segshrink.compression.context import Context
from segshrink.compression.data import require_fit
from segshrink.compression.given_model import open_given_model
from segshrink.compression.stage import run_stage, trained_record, versions
from segshrink.data import Dataset
from segshrink.distillation import LogitsSource, require_logits_suffice
from segshrink.errors import RecipeError, RunFolderError
from segshrink.export import with_input_size
from segshrink.formats import InputRange
from segshrink.measuring import count_macs
from segshrink.models import build_model, head_note, load_model, read_bands, save_model
from segshrink.models.architecture import require_savable
from segshrink.progress import Progress, SilentProgress
from segshrink.recipe import Recipe, TeacherSettings
from segshrink.records import atomic_write, sha256_of
from segshrink.records.measurement import Role
from segshrink.records.stage import GivenRecord, TakenRecord, TrainedRecord
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
    """Put a trained teacher into `folder` and return its record.

    A model of logits for images 0-255 is copied as it is; any other is saved as one.
    """
    settings, out = context.recipe.teacher, folder / "model.keras"
    model = _opened(settings, file)
    changed = head_note(model) or settings.input_range not in (None, InputRange.BYTES)
    changed = changed or settings.architecture is not None
    if None in model.input_shape[1:3]:
        tile_px, changed = context.tile_px, True
        model = with_input_size(model, tile_px, tile_px)
    if changed or file.suffix != out.suffix:
        save_model(model, out, bands=read_bands(file))
    else:
        with atomic_write(out) as partial:
            shutil.copyfile(file, partial)
    return TakenRecord(
        kind=Role.TEACHER,
        **asdict(count_macs(model)),
        seed=context.recipe.seed,
        versions=versions(),
        taken_from=file.name,
        sha256=sha256_of(file),
        architecture_sha256=digest_of(settings.architecture),
    )


def _opened(settings: TeacherSettings, file: Path) -> keras.Model:
    return open_given_model(
        file,
        SilentProgress(),
        head=settings.head,
        input_range=settings.input_range,
        architecture=settings.architecture,
    )


def teacher_to_check(
    recipe: Recipe, dataset: Dataset, file: Path | None
) -> keras.Model:
    """The teacher's layers, with weights that nothing may be concluded from.

    Args:
        recipe: describes it.
        dataset: the recipe's data.
        file: as `checked_teacher_file` gives it.
    """
    if file is None:
        return untrained_teacher(recipe, dataset)
    model = _opened(recipe.teacher, file)
    if None in model.input_shape[1:3]:
        return with_input_size(model, recipe.data.tile_px, recipe.data.tile_px)
    return model


def record_teacher(context: Context, source: LogitsSource, folder: Path) -> GivenRecord:
    """The record of a teacher that is used where it lies."""
    return GivenRecord(
        kind=Role.TEACHER,
        seed=context.recipe.seed,
        versions=versions(),
        taken_from=tuple(Path(x).name for x in context.recipe.teacher.files),
        sha256=source.digest(),
    )


def make_teacher(
    context: Context, folder: Path, given: Path | LogitsSource | None
) -> None:
    """Run the stage of the teacher: train it, copy its file, or note what it is.

    Args:
        context: recipe, data and progress.
        folder: where to write.
        given: trained Keras model, or another source of logits; None trains one.

    Raises:
        RunFolderError: if the stage was run with a source that gives other logits.
    """
    file = given
    if file is not None and not isinstance(file, Path):
        make = partial(record_teacher, context, file)
        if run_stage(folder, make, GivenRecord).sha256 != file.digest():
            raise _changed(folder, *context.recipe.teacher.files)
    elif file is None:
        run_stage(folder, partial(fit_teacher, context), TrainedRecord)
    else:
        taken = run_stage(folder, partial(copy_teacher, context, file), TakenRecord)
        architecture = context.recipe.teacher.architecture
        if taken.sha256 != sha256_of(file):
            raise _changed(folder, file)
        if taken.architecture_sha256 != digest_of(architecture):
            raise _changed(folder, architecture)


def digest_of(file: Path | str | None) -> str | None:
    """SHA-256 of a file that may be left out."""
    return None if file is None else sha256_of(Path(file))


def _changed(folder: Path, *files: Path | str | None) -> RunFolderError:
    return RunFolderError(
        f"{folder}: this run was begun with another teacher: "
        f"{', '.join(map(str, files))} changed since then. Bring it back, or name "
        "another folder."
    )


def untrained_teacher(recipe: Recipe, dataset: Dataset) -> keras.Model:
    """The recipe's teacher with fresh weights."""
    tile_px = recipe.data.tile_px
    return build_model(
        num_classes=dataset.classes.num_classes,
        input_shape=(tile_px, tile_px, dataset.train.num_bands),
        **recipe.teacher.model.model_dump(),
    )


def checked_teacher_file(
    recipe: Recipe, dataset: Dataset, progress: Progress | None = None
) -> Path | None:
    """The recipe's teacher file; None if the recipe trains its teacher.

    Args:
        recipe: a file is one of a Keras model.
        dataset: data that it must fit.
        progress: receives how it is taken.

    Raises:
        ModelError: if the file does not hold a model, or the model does not fit the
            data.
        RecipeError: if it is not one Keras model.
    """
    teacher = recipe.teacher
    refuse_idle_files(recipe)
    if teacher.file is None:
        return None
    if not recipe.teacher.is_one_keras_file:
        raise RecipeError(
            "teacher.file: must be one Keras model (.keras) here, got "
            f"{', '.join(recipe.teacher.files)}. Only distill and compress take others."
        )
    file = Path(recipe.teacher.files[0])
    tile_px = recipe.data.tile_px
    model = load_model(file, teacher.head, teacher.architecture)
    if teacher.architecture is not None:
        require_savable(model)
    if None in model.input_shape[1:3]:
        model = with_input_size(model, tile_px, tile_px)
    require_fit(model, file, dataset, tile_px)
    require_order(file, dataset)
    open_given_model(
        file,
        progress or SilentProgress(),
        head=teacher.head,
        input_range=teacher.input_range,
        architecture=teacher.architecture,
        dataset=dataset,
    )
    return file


def refuse_idle_files(recipe: Recipe) -> None:
    """Refuse what is said of the file of a model that is taken from none.

    Raises:
        RecipeError: naming the fields.
    """
    teacher = recipe.teacher
    if recipe.student.architecture is not None:
        raise RecipeError(
            "student.architecture: only distill takes the student from a file. Drop it."
        )
    said = (teacher.head, teacher.input_range, teacher.architecture)
    if teacher.file is None and any(said):
        raise RecipeError(
            "teacher.head, teacher.input_range and teacher.architecture have no "
            "effect without teacher.file. Drop them."
        )


def checked_teacher(
    recipe: Recipe, dataset: Dataset, progress: Progress
) -> Path | LogitsSource | None:
    """The recipe's teacher as `make_teacher` takes it.

    Args:
        recipe: a student that is pruned needs a Keras model that fits its tiles; a
            compact one learns from any teacher, see `open_teacher`.
        dataset: the recipe's data.
        progress: receives how the teacher is taken.

    Raises:
        SegshrinkError: if the teacher cannot be read or does not fit the data.
    """
    refuse_idle_files(recipe)
    files = [Path(file) for file in recipe.teacher.files]
    if not files or recipe.student.kind == "pruned":
        return checked_teacher_file(recipe, dataset, progress)
    teacher = open_teacher(
        files, dataset, recipe.data.tile_px, progress, recipe.teacher
    )
    if isinstance(teacher, keras.Model):
        return files[0]
    require_logits_suffice(recipe.student.distillation, recipe.student.training)
    return teacher
