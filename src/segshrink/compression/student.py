"""The student: pruned from its teacher or built anew, then distilled."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from segshrink.compression.stage import run_stage, stage_record
from segshrink.data import Dataset, plain_tiles
from segshrink.distillation import chosen_settings, distill
from segshrink.models import build_model, load_model, save_model
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
from segshrink.recipe import LOOK_AT_DATA, PruningSettings, Recipe, StudentSettings
from segshrink.records.plan import PlanRecord
from segshrink.training import TrainingContext

_STEP_EPOCHS = 2

BUDGETS: dict[str, Any] = {
    "macs": MacsBudget,
    "parameters": ParameterBudget,
    "size": SizeBudget,
    "latency": LatencyBudget,
}


def make_student(
    recipe: Recipe,
    dataset: Dataset,
    teacher_file: Path,
    folder: Path,
    progress: Progress,
    *,
    cache: Path | None = None,
) -> dict[str, Any]:
    """Prune or build the student and distil it into `folder`; returns its record.

    `cache` holds the teacher's logits, which several students may share.
    """
    teacher = load_model(teacher_file)
    keras.utils.set_random_seed(recipe.seed + 1)
    if recipe.student.kind == "compact":
        _, tile_px, _, num_classes = teacher.output_shape
        student = compact_student(recipe.student, num_classes, tile_px)
        kept = None
    else:
        student, plans = _prune_stepwise(
            recipe, dataset, teacher, folder, progress, cache
        )
        kept = kept_channels(plans)
    return train_student(
        recipe, dataset, teacher, student, folder, progress, kept=kept, cache=cache
    )


def compact_student(
    settings: StudentSettings, num_classes: int, tile_px: int
) -> keras.Model:
    """A compact model with fresh weights."""
    options = settings.model.model_dump()
    shape = (tile_px, tile_px, 3)
    return build_model(num_classes=num_classes, input_shape=shape, **options)


def train_student(
    recipe: Recipe,
    dataset: Dataset,
    teacher: keras.Model,
    student: keras.Model,
    folder: Path,
    progress: Progress,
    *,
    kept: Mapping[str, Sequence[int]] | None = None,
    epochs: int | None = None,
    cache: Path | None = None,
) -> dict[str, Any]:
    """Distil a model into `folder` and return its record.

    `kept` are the teacher's channels that a pruned student has, see `kept_channels`;
    `epochs` stands instead of the recipe's if it is given.
    """
    settings = recipe.student
    training = settings.training
    if epochs is not None:
        training = training.model_copy(update={"epochs": epochs})
    chosen = chosen_settings(settings.distillation, student, teacher)
    context = TrainingContext(
        dataset=dataset,
        folder=folder,
        seed=recipe.seed + 1,
        progress=progress,
        label="student",
    )
    result = distill(
        student, teacher, training, chosen, context, kept=kept, cache=cache
    )
    record = stage_record("student", student, recipe.seed, result)
    return record | {"distillation": chosen.model_dump(mode="json", exclude_none=True)}


def plan_path(model: Path) -> Path:
    """Where `prune` writes the plan of the model file that it makes."""
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


def _prune_stepwise(
    recipe: Recipe,
    dataset: Dataset,
    teacher: keras.Model,
    folder: Path,
    progress: Progress,
    cache: Path | None,
) -> tuple[keras.Model, list[PlanRecord]]:
    """Prune, with a stage of training for each step but the last.

    Returns:
        The pruned model, and the records of all plans.
    """
    settings = recipe.student.pruning
    model, done = teacher, list[PlanRecord]()
    for step in range(1, settings.steps):
        inner = folder / f"step-{step}"

        def make(inner: Path, model: keras.Model = model) -> dict[str, Any]:
            student = prune_once(recipe, dataset, model, inner, done, progress)
            return train_student(
                recipe,
                dataset,
                teacher,
                student,
                inner,
                progress,
                kept=kept_channels([*done, PlanRecord.read(inner / "plan.json")]),
                epochs=settings.step_epochs or _STEP_EPOCHS,
                cache=cache,
            )

        run_stage(inner, make)
        model = load_model(inner / "model.keras")
        done.append(PlanRecord.read(inner / "plan.json"))
    model = prune_once(recipe, dataset, model, folder, done, progress)
    return model, [*done, PlanRecord.read(folder / "plan.json")]


def prune_once(
    recipe: Recipe,
    dataset: Dataset,
    model: keras.Model,
    folder: Path,
    done: list[PlanRecord],
    progress: Progress,
) -> keras.Model:
    """The next of the recipe's pruning steps; leaves `plan.json`.

    A measured plan would come out differently a second time, so a model that is there
    already is taken as it is.

    Args:
        recipe: says how.
        dataset: tiles for criteria and recovery are taken from its training part.
        model: the teacher, or what the step before made of it.
        folder: where to write.
        done: records of the plans of the steps before.
        progress: told of images and of candidates that are timed.

    Returns:
        The smaller model, not yet trained.
    """
    # Beside what the training that follows keeps for resuming, and removed with it.
    pruned = folder / "checkpoint" / "pruned.keras"
    if not pruned.is_file():
        _write_pruned(recipe, dataset, model, pruned, done, progress)
    # A run that was killed in between goes on from here, with the same random numbers.
    keras.utils.set_random_seed(recipe.seed + 1)
    return load_model(pruned)


def _write_pruned(
    recipe: Recipe,
    dataset: Dataset,
    model: keras.Model,
    pruned: Path,
    done: list[PlanRecord],
    progress: Progress,
) -> None:
    settings = recipe.student.pruning
    target = step_target(
        model, settings.steps, done, keep=settings.keep, budget=budget_of(settings)
    )
    tiles = None
    if settings.looks_at_data:
        tiles = plain_tiles(
            dataset.train, recipe.data.tile_px, settings.tiles_looked_at
        )
    plan, smaller = prune_with_tiles(
        model,
        tiles,
        recovery=settings.recovery != "none",
        progress=progress,
        criterion=settings.criterion,
        scope=settings.scope,
        multiple_of=settings.multiple_of,
        **target,
    )
    plan.as_record().write(pruned.parents[1] / "plan.json")
    save_model(smaller, pruned)


def prune_with_tiles(
    model: keras.Model,
    tiles: Any,
    *,
    recovery: bool,
    progress: Progress,
    criterion: str,
    **settings: Any,
) -> tuple[PruningPlan, keras.Model]:
    """Plan, apply, and recover if asked.

    Args:
        model: as for `plan_pruning`.
        tiles: (images, labels), or None if neither criterion nor recovery needs them.
        recovery: whether the readers of pruned channels are solved anew.
        progress: told of long work.
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
    """The budget that a recipe asks for; None if it says `keep`."""
    if settings.budget is None:
        return None
    options = settings.budget.model_dump(exclude_none=True)
    budget: Budget = BUDGETS[options.pop("kind")](**options)
    return budget
