"""The student: pruned from its teacher or built as a compact model, then distilled."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras

from segshrink.compression.context import Context
from segshrink.compression.plan_check import require_plan_between
from segshrink.compression.stage import run_stage, trained_record
from segshrink.data import plain_tiles
from segshrink.distillation import (
    Teacher,
    distill,
)
from segshrink.errors import UsageError
from segshrink.models import build_model, load_model, save_model
from segshrink.models.heads import TWO_CLASSES
from segshrink.models.input_range import TO_RANGE
from segshrink.progress import Progress
from segshrink.pruning import (
    LatencyBudget,
    MacsBudget,
    ParameterBudget,
    PruningPlan,
    SizeBudget,
    plan_pruning,
    reconstruct,
    step_target,
)
from segshrink.pruning.budgets import Budget
from segshrink.recipe import (
    FEATURE_LOSSES,
    LOOK_AT_DATA,
    PruningSettings,
    Recipe,
    StudentSettings,
)
from segshrink.records.measurement import Role
from segshrink.records.plan import PlanRecord
from segshrink.records.stage import TrainedRecord

_STEP_EPOCHS = 2
_PLAN = "plan.json"

BUDGETS: Mapping[str, Callable[..., Budget]] = {
    "macs": MacsBudget,
    "parameters": ParameterBudget,
    "size": SizeBudget,
    "latency": LatencyBudget,
}


def make_student(
    context: Context,
    given: Path | Teacher,
    folder: Path,
    *,
    cache: Path | None = None,
) -> TrainedRecord:
    """Prune or build the student and distil it into `folder`; returns its record.

    Args:
        context: recipe, data and progress.
        given: the teacher: a trained Keras model or its file, or another source of
            logits, from which only a compact student learns.
        folder: where to write.
        cache: folder of the teacher's logits, which several students may share.
    """
    settings = context.recipe.student
    teacher = load_model(given) if isinstance(given, Path) else given
    kept = None
    if settings.kind == "pruned" and settings.pruning.steps > 1:
        student = _prune_in_steps(context, teacher, folder, cache)
    else:
        student = untrained_student(context, teacher, folder)
    if settings.kind == "pruned":
        kept = kept_channels(_plans(folder, settings.pruning.steps))
    return train_student(context, teacher, student, folder, kept=kept, cache=cache)


def untrained_student(context: Context, teacher: Teacher, folder: Path) -> keras.Model:
    """The student before training: a compact model, or the teacher pruned once.

    Pruning leaves `plan.json` in `folder`.
    """
    context.set_seed(Role.STUDENT)
    if context.recipe.student.kind == "compact":
        dataset = context.dataset
        shape = (context.tile_px, context.tile_px, dataset.train.num_bands)
        return compact_student(
            context.recipe.student, dataset.classes.num_classes, shape
        )
    return prune_once(context, teacher, folder)


def compact_student(
    settings: StudentSettings, num_classes: int, shape: tuple[int, int, int]
) -> keras.Model:
    """A compact model with fresh weights."""
    options = settings.model.model_dump()
    return build_model(num_classes=num_classes, input_shape=shape, **options)


def train_student(
    context: Context,
    teacher: Teacher,
    student: keras.Model,
    folder: Path,
    *,
    kept: Mapping[str, Sequence[int]] | None = None,
    epochs: int | None = None,
    cache: Path | None = None,
) -> TrainedRecord:
    """Distil a model into `folder` and return its record.

    Args:
        context: recipe, data and progress.
        teacher: trained model, or another source of logits.
        student: model to train in place.
        folder: where to write.
        kept: channels of the teacher that a pruned student has, see `kept_channels`.
        epochs: number of epochs in place of the recipe's.
        cache: folder of the teacher's logits.
    """
    settings = context.recipe.student
    training = settings.training
    if epochs is not None:
        training = training.model_copy(update={"epochs": epochs})
    chosen = settings.distillation.completed()
    _tell_frozen(student, context.progress)
    result = distill(
        student,
        teacher,
        training,
        chosen,
        context.training(Role.STUDENT, folder, label="student"),
        kept=kept,
        cache=cache,
    )
    record = trained_record(Role.STUDENT, student, context.recipe.seed, result)
    return record.model_copy(
        update={"distillation": chosen.model_dump(mode="json", exclude_none=True)}
    )


def _tell_frozen(model: keras.Model, progress: Progress) -> None:
    frozen = [
        layer
        for layer in model._flatten_layers(include_self=False, recursive=True)
        if not layer.trainable
        and layer._trainable_variables
        and layer.name not in (TWO_CLASSES, TO_RANGE)
    ]
    if frozen:
        weights = sum(
            math.prod(v.shape) for x in frozen for v in x._trainable_variables
        )
        progress.say(
            f"student: {weights:,} of its {model.count_params():,} weights are frozen "
            f"({frozen[0].name}{' and others' if len(frozen) > 1 else ''}) and stay as "
            "they are. To train them too, save the model with trainable = True."
        )


def plan_path(model: Path) -> Path:
    """Path of the plan that `prune` writes beside a model file."""
    return model.with_suffix(".plan.json")


def kept_channels(plans: Sequence[PlanRecord]) -> dict[str, list[int]]:
    """Output channels of each layer of a model that are left after some plans.

    Args:
        plans: records of the plans, in the order in which they were applied.
    """
    kept: dict[str, list[int]] = {}
    for plan in plans:
        for layer in plan.layers:
            before = kept.get(layer.name, range(layer.channels_before))
            kept[layer.name] = [before[channel] for channel in layer.kept]
    return kept


def kept_by_plan_file(
    plan: Path | None,
    student_file: Path,
    recipe: Recipe,
    teacher: keras.Model,
    student: keras.Model,
) -> dict[str, list[int]] | None:
    """The teacher's channels that a student from a file has kept.

    Args:
        plan: record that `prune` wrote; None takes the one beside the student, if any.
        student_file: the student's model file.
        recipe: only its losses of feature maps need the channels.
        teacher: the model that the plan must have been made for.
        student: the model that the plan must have led to.

    Returns:
        As `kept_channels`; None if no loss needs the channels or there is no plan.

    Raises:
        UsageError: if `plan` would have no effect, or was made for other models.
    """
    losses = recipe.student.distillation.losses or {}
    is_used = bool(set(losses) & set(FEATURE_LOSSES))
    if plan is not None and not is_used:
        raise UsageError(
            f"--plan {plan}: has no effect without a loss of feature maps "
            f"({', '.join(FEATURE_LOSSES)} in student.distillation.losses). Drop it."
        )
    file = plan or plan_path(student_file)
    if not is_used or (plan is None and not file.is_file()):
        return None
    record = PlanRecord.read(file)
    require_plan_between(file, record, teacher, student)
    return kept_channels([record])


def _prune_in_steps(
    context: Context, teacher: keras.Model, folder: Path, cache: Path | None
) -> keras.Model:
    """Prune in several steps; each step but the last is a stage with training."""
    context.set_seed(Role.STUDENT)
    model, plans = teacher, list[PlanRecord]()
    for step in range(1, context.recipe.student.pruning.steps):
        step_folder = _step_folder(folder, step)
        make = partial(_train_step, context, teacher, model, plans, cache)
        run_stage(step_folder, make, TrainedRecord)
        model = load_model(step_folder / "model.keras")
        plans.append(PlanRecord.read(step_folder / _PLAN))
    return prune_once(context, model, folder, plans)


def _train_step(
    context: Context,
    teacher: keras.Model,
    model: keras.Model,
    plans: Sequence[PlanRecord],
    cache: Path | None,
    folder: Path,
) -> TrainedRecord:
    student = prune_once(context, model, folder, plans)
    return train_student(
        context,
        teacher,
        student,
        folder,
        kept=kept_channels([*plans, PlanRecord.read(folder / _PLAN)]),
        epochs=context.recipe.student.pruning.step_epochs or _STEP_EPOCHS,
        cache=cache,
    )


def _step_folder(folder: Path, step: int) -> Path:
    return folder / f"step-{step}"


def _plans(folder: Path, steps: int) -> list[PlanRecord]:
    """Records of the plans of all steps of a student, the last one's at the end."""
    folders = [*(_step_folder(folder, step) for step in range(1, steps)), folder]
    return [PlanRecord.read(each / _PLAN) for each in folders]


def prune_once(
    context: Context,
    model: keras.Model,
    folder: Path,
    plans: Sequence[PlanRecord] = (),
) -> keras.Model:
    """Apply the next of the recipe's pruning steps; leaves `plan.json`.

    The plan of a measured budget would differ a second time, so a model that was pruned
    before is loaded as it is.

    Args:
        context: the recipe decides how. Tiles for criteria and recovery are taken from
            the training part of its data.
        model: the teacher, or the result of the step before.
        folder: where to write.
        plans: records of the plans of the steps before.

    Returns:
        The smaller model, not yet trained.
    """
    # It lies beside the checkpoint of the training run that follows, and is removed
    # together with it.
    pruned = folder / "checkpoint" / "pruned.keras"
    if not pruned.is_file():
        plan, smaller = _prune(context, model, plans)
        plan.as_record().write(folder / _PLAN)
        save_model(smaller, pruned)
    # A run that was killed after this resumes here, with the same random numbers.
    context.set_seed(Role.STUDENT)
    return load_model(pruned)


def _prune(
    context: Context, model: keras.Model, plans: Sequence[PlanRecord]
) -> tuple[PruningPlan, keras.Model]:
    settings = context.recipe.student.pruning
    target = step_target(
        model, settings.steps, plans, keep=settings.keep, budget=budget_of(settings)
    )
    tiles = None
    if settings.looks_at_data:
        tiles = plain_tiles(
            context.dataset.train, context.tile_px, settings.tiles_looked_at
        )
    return prune_with_tiles(
        model,
        tiles,
        recovery=settings.recovery != "none",
        progress=context.progress,
        criterion=settings.criterion,
        scope=settings.scope,
        multiple_of=settings.multiple_of,
        **target,
    )


def require_prunable(settings: PruningSettings, model: keras.Model) -> None:
    """Refuse a criterion or a model with which no channel can be chosen.

    A criterion that looks at data is not tried, since that takes long.

    Raises:
        SegshrinkError: as `plan_pruning`.
    """
    criterion = settings.criterion
    plan_pruning(
        model,
        keep=0.5,
        criterion="l1" if criterion in LOOK_AT_DATA else criterion,
        multiple_of=settings.multiple_of,
    )


def prune_with_tiles(
    model: keras.Model,
    tiles: Any,
    *,
    recovery: bool,
    progress: Progress,
    criterion: str,
    **settings: Any,
) -> tuple[PruningPlan, keras.Model]:
    """Plan the pruning of a model, apply the plan, and recover if requested.

    Args:
        model: as for `plan_pruning`.
        tiles: (images, labels), or None if neither criterion nor recovery needs them.
        recovery: whether the consumers of pruned channels are solved again.
        progress: receives the progress of long work.
        criterion: a name in `CRITERIA`.
        **settings: further arguments of `plan_pruning`.

    Returns:
        (plan, smaller model).
    """
    data = tiles if criterion in LOOK_AT_DATA else None
    plan = plan_pruning(
        model, criterion=criterion, data=data, progress=progress, **settings
    )
    smaller = plan.apply(model)
    if recovery:
        smaller = reconstruct(smaller, model, plan, tiles[0], progress=progress)
    return plan, smaller


def budget_of(settings: PruningSettings) -> Budget | None:
    """The budget of a recipe; None if the recipe has `keep`."""
    if settings.budget is None:
        return None
    options = settings.budget.model_dump(exclude_none=True)
    return BUDGETS[options.pop("kind")](**options)
