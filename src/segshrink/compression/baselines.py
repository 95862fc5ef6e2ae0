"""Baselines that the student is compared with: masks only, and no teacher."""

import csv
import math
import shutil
from dataclasses import replace
from pathlib import Path

import keras
from keras import ops

from segshrink.compression.context import Context
from segshrink.compression.stage import trained_record
from segshrink.models import load_model
from segshrink.models.heads import TWO_CLASSES
from segshrink.models.input_range import TO_RANGE
from segshrink.pruning import MagnitudePruning
from segshrink.pruning.magnitude import kernels
from segshrink.recipe import TrainingSettings
from segshrink.records.measurement import Role
from segshrink.records.stage import (
    PlannedEpochs,
    StageRecord,
    TrainedRecord,
    TrainingTime,
)
from segshrink.training import settled, steps_per_epoch, train

_MASK_UPDATES = 20
# A kernel keeps its largest weight, so not all of its weights can be zero.
_MOST_ZEROS = 0.99


def train_masks_only(context: Context, folder: Path) -> TrainedRecord:
    """Fine-tune the teacher under magnitude masks for the seconds the student had.

    The masks remove as many weights as the student has fewer than the teacher, so that
    both have the same number of weights that are not zero; none, if the student has as
    many. The best epoch is one of those under the final masks, and the record's
    sparsity is the share of zeros in the kernels of its model.
    """
    role, run = Role.MASKS_ONLY, context.run
    context.set_seed(role)
    teacher = load_model(run.teacher)
    sparsity = _sparsity(teacher, run.student.parent)
    seconds = _seconds_behind(run.student.parent)
    settings = _settings_within(seconds, context, role, teacher, folder)
    epoch_steps = steps_per_epoch(context.dataset, settings, context.tile_px)
    last_step = max(1, settings.epochs * epoch_steps // 2)
    result = train(
        load_model(run.teacher),
        settings,
        context.training(role, folder, label="baseline: masks only"),
        choose_from=math.ceil(last_step / epoch_steps) if sparsity > 0 else 1,
        callbacks=[_masks(sparsity, last_step)] if sparsity > 0 else [],
    )
    record = trained_record(role, teacher, context.recipe.seed, result)
    share = _share_of_zeros(load_model(folder / "model.keras"))
    return record.model_copy(update={"sparsity": share})


def train_without_teacher(context: Context, folder: Path) -> TrainedRecord:
    """Train the student's architecture from scratch, on labels only.

    It gets the seconds that the training runs of teacher and student took together:
    all the training that is behind the student.
    """
    role, run = Role.NO_TEACHER, context.run
    context.set_seed(role)
    model = _with_fresh_weights(load_model(run.student))
    seconds = sum(_seconds_behind(file.parent) for file in (run.teacher, run.student))
    settings = _settings_within(seconds, context, role, model, folder)
    context.set_seed(role)
    result = train(
        _with_fresh_weights(model),
        settings,
        context.training(role, folder, label="baseline: student without teacher"),
    )
    return trained_record(role, model, context.recipe.seed, result)


def _sparsity(teacher: keras.Model, student: Path) -> float:
    """Share of the teacher's kernels that the student, by its record, has fewer."""
    entries = sum(math.prod(kernel.shape) for kernel in kernels(teacher))
    parameters = StageRecord.read(student / "record.json").parameters
    surplus = max(0, teacher.count_params() - parameters)
    return min(surplus / entries, _MOST_ZEROS)


def _masks(sparsity: float, last_step: int) -> MagnitudePruning:
    return MagnitudePruning(
        sparsity,
        begin_step=0,
        end_step=last_step,
        frequency=max(1, last_step // _MASK_UPDATES),
    )


def _share_of_zeros(model: keras.Model) -> float:
    arrays = [ops.convert_to_numpy(kernel) for kernel in kernels(model)]
    zeros = sum(int((array == 0).sum()) for array in arrays)
    return zeros / sum(array.size for array in arrays)


def _seconds_behind(stage: Path) -> float:
    """Seconds of all training runs of a stage, those of its earlier steps included."""
    records = [stage / "record.json", *stage.glob("step-*/record.json")]
    return sum(TrainingTime.read(path).total_seconds for path in records)


def _with_fresh_weights(model: keras.Model) -> keras.Model:
    """A model of the same layers; only constants keep their values.

    Those are statistics that a layer was given, and layers that change the range of the
    images or one channel into two classes.
    """
    fresh = keras.models.clone_model(model)
    pairs = zip(
        model._flatten_layers(include_self=False),
        fresh._flatten_layers(include_self=False),
        strict=True,
    )
    for layer, copy in pairs:
        if isinstance(layer, keras.layers.Normalization):
            copy.set_weights(layer.get_weights())
            copy.finalize_state()
        elif layer.name in (TWO_CLASSES, TO_RANGE):
            copy.set_weights(layer.get_weights())
    return fresh


def _settings_within(
    seconds: float, context: Context, role: Role, model: keras.Model, folder: Path
) -> TrainingSettings:
    """The student's settings with as many epochs as fit into `seconds`.

    The number is kept in a file, because a run that resumes must not find another one.
    """
    settings: TrainingSettings = context.recipe.student.training
    if role is Role.NO_TEACHER:
        rate = _rate_from_scratch(context, settings)
        settings = settings.model_copy(update={"learning_rate": rate})
    training = context.training(role, folder, label="baseline")
    settings = settled(settings, training, [model])
    kept = folder / "epochs.json"
    if not kept.is_file():
        epoch_seconds = _time_an_epoch(context, role, model, settings, folder)
        epochs = max(1, round(seconds / max(epoch_seconds, 0.1)))
        PlannedEpochs(epochs=epochs, seconds=seconds).write(kept)
    # It is removed after the number is kept: a run that stops here does not time again.
    shutil.rmtree(_timing_folder(folder), ignore_errors=True)
    update = {"epochs": PlannedEpochs.read(kept).epochs, "patience": None}
    return settings.model_copy(update=update)


def _time_an_epoch(
    context: Context,
    role: Role,
    model: keras.Model,
    settings: TrainingSettings,
    folder: Path,
) -> float:
    """Seconds of an epoch. The second of two is timed, as the first also compiles."""
    timing = context.training(role, _timing_folder(folder), label="timing an epoch")
    train(
        _with_fresh_weights(model),
        settings.model_copy(update={"epochs": 2, "patience": None}),
        replace(timing, seed=0),
    )
    with (timing.folder / "history.csv").open(newline="") as file:
        return float(list(csv.DictReader(file))[-1]["seconds"])


def _timing_folder(folder: Path) -> Path:
    return folder / "timing"


def _rate_from_scratch(context: Context, settings: TrainingSettings) -> float:
    recipe = context.recipe
    # A pruned student's rate is one for fine-tuning; the teacher's suits fresh weights.
    if recipe.student.kind == "compact" or recipe.teacher.file is not None:
        return settings.learning_rate
    return recipe.teacher.training.learning_rate
