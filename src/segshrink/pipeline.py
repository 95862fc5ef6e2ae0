"""compress(): from a folder of images to a small file that was measured.

Each stage leaves its record last. A stage whose record is there is done; one that was
killed before begins again from what its own checkpoints kept.
"""

import shutil
from pathlib import Path
from typing import Any

import keras

from segshrink.baselines import train_alone, train_masked
from segshrink.data import (
    Dataset,
    class_frequencies,
    open_dataset,
    open_patch_dataset,
)
from segshrink.distillation import build_terms, chosen_settings
from segshrink.errors import (
    DatasetError,
    ModelError,
    RecipeError,
    RunFolderError,
    UsageError,
)
from segshrink.files import export_files, measure_files
from segshrink.models import build_model, load_model
from segshrink.progress import Progress, SilentProgress
from segshrink.recipe import FEATURE_LOSSES, Recipe, TeacherSettings
from segshrink.records import (
    only_process,
    read_json,
    sha256_of,
    write_json,
    written_whole,
)
from segshrink.reporting import write_report
from segshrink.run_folder import Run, open_run
from segshrink.stages import run_stage, stage_record, versions
from segshrink.students import (
    compact_student,
    kept_channels,
    make_student,
    plan_path,
    train_student,
)
from segshrink.training import train
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
    with only_process(run.folder):
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
    with only_process(out):
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
    with only_process(out):
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
    record = read_json(file)
    if record.get("parameters_before") != teacher.count_params():
        raise UsageError(
            f"{file}: this plan was made for a model of "
            f"{record.get('parameters_before'):,} weights, but the teacher has "
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


def open_recipe_data(recipe: Recipe, progress: Progress) -> Dataset:
    """Open the recipe's data and tell its notices and split.

    Raises:
        DatasetError: if it has faults, or nothing to tell apart.
    """
    data = recipe.data
    if data.protocol is not None and data.split is not None:
        dataset = open_patch_dataset(
            data.source, data.split, seed=data.split_seed, progress=progress
        )
    else:
        dataset = open_dataset(
            data.source,
            split=data.split,
            seed=data.split_seed,
            scenes=data.scenes,
            scene_px=data.scene_px,
            progress=progress,
        )
    if dataset.classes.num_classes < 2:
        raise DatasetError(
            f"{data.source}: has the one class {dataset.classes.names[0]!r}, but a "
            "model needs two to tell apart. Give the rest, now void, a class in "
            "dataset.yaml."
        )
    for notice in dataset.notices:
        progress.say(notice)
    split = dataset.split
    kind = "Leaking split" if split.leaks else "Split by scene"
    progress.say(f"{kind}, from {split.source}:")
    for part in ("train", "val", "test"):
        names = getattr(split, part)
        shown = ", ".join(names[:6]) + (
            f" and {len(names) - 6} more" * (len(names) > 6)
        )
        progress.say(f"  {part}: {len(getattr(dataset, part))} images of {shown}")
    return dataset


def make_teacher(
    recipe: Recipe,
    dataset: Dataset,
    folder: Path,
    file: Path | None,
    progress: Progress,
) -> dict[str, Any]:
    """Train the teacher, or take the file, into `folder`; returns its record."""
    if file is not None:
        with written_whole(folder / "model.keras") as partial:
            shutil.copyfile(file, partial)
        facts: dict[str, Any] = {"taken_from": file.name, "sha256": sha256_of(file)}
        return stage_record("teacher", load_model(file), recipe.seed) | facts
    settings = recipe.teacher
    keras.utils.set_random_seed(recipe.seed)
    model = new_teacher(settings, dataset, recipe.data.tile_px)
    result = train(
        model,
        dataset,
        settings.training,
        folder,
        tile_px=recipe.data.tile_px,
        seed=recipe.seed,
        progress=progress,
    )
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


def require_fit(model: keras.Model, file: Path, dataset: Dataset, tile_px: int) -> None:
    """Refuse a model that does not take the tiles or give the classes of the data.

    Raises:
        ModelError: saying what the file has and what must hold.
    """
    tile = (None, tile_px, tile_px, 3)
    if model.input_shape != tile:
        raise ModelError(
            f"{file}: takes images {model.input_shape}, but tiles are {tile}. "
            "Set data.tile_px in the recipe to the model's size."
        )
    wanted = (None, tile_px, tile_px, dataset.classes.num_classes)
    if model.output_shape != wanted:
        raise ModelError(
            f"{file}: gives {model.output_shape}, but {dataset.name} needs logits "
            f"{wanted} for {', '.join(dataset.classes.names)}."
        )
