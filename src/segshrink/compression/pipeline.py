"""compress(): from a folder of images to a small file that was measured.

Each stage leaves its record last. A stage whose record is there is done; one that was
killed before begins again from what its own checkpoints kept.
"""

from pathlib import Path
from typing import Any

import keras

from segshrink.compression.baselines import train_alone, train_masked
from segshrink.compression.data import open_recipe_data, require_fit
from segshrink.compression.exporting import export_files
from segshrink.compression.measuring import measure_files
from segshrink.compression.run_folder import Run, open_run
from segshrink.compression.stage import run_stage, versions
from segshrink.compression.student import (
    compact_student,
    kept_channels,
    make_student,
    plan_path,
    train_student,
)
from segshrink.compression.teacher import (
    checked_teacher_file,
    make_teacher,
    new_teacher,
)
from segshrink.data import (
    Dataset,
    class_frequencies,
)
from segshrink.distillation import build_terms, chosen_settings
from segshrink.errors import (
    RecipeError,
    RunFolderError,
    UsageError,
)
from segshrink.models import load_model
from segshrink.progress import Progress, SilentProgress
from segshrink.recipe import FEATURE_LOSSES, Recipe
from segshrink.records import (
    exclusive_folder,
    read_json,
    sha256_of,
    write_json,
)
from segshrink.records.plan import PlanRecord
from segshrink.reporting import write_report
from segshrink.training.train import supervised_loss


def compress(
    recipe: Recipe, out: Path | str, *, progress: Progress | None = None
) -> Run:
    """Train a teacher, shrink it, distil, export, measure the files, report.

    A run that was killed at any moment continues when called again with the same
    recipe and folder.

    Args:
        recipe: everything that is to be done.
        out: run folder; new, empty, or of a run with an equal recipe.
        progress: told of all long work.

    Returns:
        The run, with the paths of what it made.

    Raises:
        SegshrinkError: for faults in data, recipe or folder, before anything is
            trained where they can be known.
    """
    progress = progress or SilentProgress()
    dataset = open_recipe_data(recipe, progress)
    teacher_file = checked_teacher_file(recipe, dataset)
    require_trainable(recipe, dataset)
    class_frequencies(getattr(dataset, recipe.measuring.part))
    run = open_run(out, recipe, versions(), dataset)
    with exclusive_folder(run.folder):
        _run_stages(run, dataset, teacher_file, progress)
    return run


def _run_stages(
    run: Run, dataset: Dataset, teacher_file: Path | None, progress: Progress
) -> None:
    recipe = run.recipe
    run_stage(
        run.folder / "teacher",
        lambda folder: make_teacher(recipe, dataset, folder, teacher_file, progress),
    )
    run_stage(
        run.folder / "student",
        lambda folder: make_student(recipe, dataset, run.teacher, folder, progress),
    )
    if recipe.baselines:
        baselines = run.folder / "baselines"
        run_stage(
            baselines / "masked",
            lambda folder: train_masked(run, dataset, folder, progress),
        )
        run_stage(
            baselines / "alone",
            lambda folder: train_alone(run, dataset, folder, progress),
        )
    export_files(run, dataset, progress)
    measure_files(run, dataset, progress)
    if not _report_is_current(run):
        write_report(run.folder, progress)


def _report_is_current(run: Run) -> bool:
    if not run.report.is_file():
        return False
    records = run.measurements.glob("*.json")
    written = run.report.stat().st_mtime_ns
    return all(record.stat().st_mtime_ns <= written for record in records)


def train_teacher(
    recipe: Recipe, out: Path, *, progress: Progress | None = None
) -> dict[str, Any]:
    """Train the recipe's teacher into `out` and return its record.

    Raises:
        RecipeError: if the recipe takes the teacher from a file.
        SegshrinkError: as for `compress`.
    """
    progress = progress or SilentProgress()
    if recipe.teacher.file is not None:
        raise RecipeError(
            f"teacher.file: {recipe.teacher.file} is trained already. Drop the field."
        )
    dataset = open_recipe_data(recipe, progress)
    require_trainable(recipe, dataset)
    open_run(out, recipe, versions(), dataset)
    _require_kind(out, "teacher")
    with exclusive_folder(out):
        return run_stage(
            out, lambda folder: make_teacher(recipe, dataset, folder, None, progress)
        )


def distill_student(
    recipe: Recipe,
    teacher_file: Path,
    student_file: Path,
    out: Path,
    *,
    plan: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train the model of one file with that of another, and return the record.

    The recipe's `data` and `student` sections say how; its own student is not used.
    `plan` is the JSON that `prune` wrote with a student pruned from the teacher; by
    default the one beside the student, if any.

    Raises:
        RunFolderError: if `out` was begun with other files.
        SegshrinkError: as for `compress`.
    """
    progress = progress or SilentProgress()
    # Before the models are loaded: their dropout layers take their seeds then.
    keras.utils.set_random_seed(recipe.seed + 1)
    teacher, student = load_model(teacher_file), load_model(student_file)
    dataset = open_recipe_data(recipe, progress)
    require_fit(teacher, teacher_file, dataset, recipe.data.tile_px)
    require_fit(student, student_file, dataset, recipe.data.tile_px)
    class_frequencies(dataset.val)
    supervised_loss(recipe.student.training.loss, dataset)
    kept = _kept(plan, student_file, recipe, teacher)
    chosen = chosen_settings(recipe.student.distillation, student, teacher)
    build_terms(chosen, teacher, student, steps=1, kept=kept)
    open_run(out, recipe, versions(), dataset)
    _require_kind(out, "student")
    _require_inputs(out, teacher=teacher_file, student=student_file)
    with exclusive_folder(out):
        return run_stage(
            out,
            lambda folder: train_student(
                recipe, dataset, teacher, student, folder, progress, kept=kept
            ),
        )


def _kept(
    plan: Path | None, student: Path, recipe: Recipe, teacher: keras.Model
) -> dict[str, list[int]] | None:
    """The channels that a plan kept; only losses of feature maps ask for them."""
    losses = recipe.student.distillation.losses or {}
    used = bool(set(losses) & set(FEATURE_LOSSES))
    if plan is not None and not used:
        raise UsageError(
            f"--plan {plan}: has no effect without a loss of feature maps "
            f"({', '.join(FEATURE_LOSSES)} in student.distillation.losses). Drop it."
        )
    file = plan or plan_path(student)
    if not used or (plan is None and not file.is_file()):
        return None
    record = PlanRecord.read(file)
    if record.parameters_before != teacher.count_params():
        raise UsageError(
            f"{file}: this plan was made for a model of "
            f"{record.parameters_before:,} weights, but the teacher has "
            f"{teacher.count_params():,}. Name the plan of this teacher with --plan, "
            "or remove the file to compare by projections."
        )
    return kept_channels([record])


def _require_kind(out: Path, kind: str) -> None:
    path = out / "record.json"
    if path.is_file() and read_json(path)["kind"] != kind:
        raise RunFolderError(
            f"{out}: this folder holds a {read_json(path)['kind']}, not a {kind}. "
            "Name another folder."
        )


def _require_inputs(out: Path, **files: Path) -> None:
    path = out / "inputs.json"
    inputs = {name: sha256_of(file) for name, file in files.items()}
    if not path.is_file():
        write_json(path, inputs)
    elif read_json(path) != inputs:
        raise RunFolderError(
            f"{out}: this folder was begun with another teacher or student. "
            "Name another folder."
        )


def require_trainable(recipe: Recipe, dataset: Dataset) -> None:
    """Find now what would stop the run after hours.

    Raises:
        DatasetError: if no pixel of the validation part has a class.
        RecipeError: if a model or a loss cannot be built as the recipe asks.
    """
    class_frequencies(dataset.val)
    tile_px = recipe.data.tile_px
    try:
        supervised_loss(recipe.student.training.loss, dataset)
        if recipe.teacher.file is None:
            supervised_loss(recipe.teacher.training.loss, dataset)
            new_teacher(recipe.teacher, dataset, tile_px)
        if recipe.student.kind == "compact":
            compact_student(recipe.student, dataset.classes.num_classes, tile_px)
    except ValueError as error:
        raise RecipeError(f"recipe: {error}") from error
