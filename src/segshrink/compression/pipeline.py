"""compress(): from a folder of images to a small file that was measured.

Each stage writes its record last. A stage that has its record is done; one that was
killed before that resumes from its own checkpoints.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras

from segshrink.compression.any_teacher import open_teacher
from segshrink.compression.baselines import train_masks_only, train_without_teacher
from segshrink.compression.browser import write_page_of_run
from segshrink.compression.context import Context, stage_seed
from segshrink.compression.data import (
    open_recipe_data,
    refuse_unlabelled,
    require_fit,
)
from segshrink.compression.exporting import export_files
from segshrink.compression.forecast import announce
from segshrink.compression.measuring import measure_files
from segshrink.compression.run_folder import (
    Run,
    open_run,
    refuse_known_pictures_of_new,
)
from segshrink.compression.stage import require_role, run_stage, versions
from segshrink.compression.student import (
    compact_student,
    kept_by_plan_file,
    make_student,
    require_prunable,
    train_student,
)
from segshrink.compression.teacher import (
    checked_teacher,
    digest_of,
    fit_teacher,
    make_teacher,
    refuse_idle_files,
    teacher_to_check,
    untrained_teacher,
)
from segshrink.data import Dataset, class_frequencies
from segshrink.distillation import (
    LogitsSource,
    build_terms,
    require_logits_suffice,
    require_sense_of_unlabelled,
)
from segshrink.errors import RecipeError, RunFolderError
from segshrink.models import load_model
from segshrink.progress import Progress, SilentProgress
from segshrink.recipe import FEATURE_LOSSES, Recipe
from segshrink.records import exclusive_folder, sha256_of
from segshrink.records.measurement import Role
from segshrink.records.stage import DistillationInputs, TrainedRecord
from segshrink.reporting import write_report
from segshrink.reporting.use import page_path
from segshrink.training.devices import require_devices
from segshrink.training.train import supervised_loss


def compress(
    recipe: Recipe,
    out: Path | str,
    *,
    progress: Progress | None = None,
    devices: int = 1,
    is_announced: bool = False,
) -> Run:
    """Train a teacher, prune and distil a student, export, measure the files, report.

    A run that was killed at any moment resumes when it is called again with the same
    recipe and folder.

    Args:
        recipe: all settings of the run.
        out: run folder; new, empty, or of a run with an equal recipe.
        progress: receives the progress of all long work.
        devices: of this machine that each training step is divided among; 0 is all.
        is_announced: whether the plan is said before it begins, with an estimate of the
            time, and the time left of all stages while it runs. The estimate takes
            seconds.

    Returns:
        The run, with the paths of its files.

    Raises:
        SegshrinkError: for faults in data, recipe or folder, before anything is
            trained where they can be known.
    """
    progress = progress or SilentProgress()
    _require_devices(devices, recipe)
    dataset = open_recipe_data(recipe, progress)
    teacher = checked_teacher(recipe, dataset, progress)
    require_trainable(recipe, dataset)
    require_distillable(recipe, dataset, teacher)
    class_frequencies(getattr(dataset, recipe.measuring.part))
    refuse_known_pictures_of_new(out, dataset, progress)
    run = open_run(out, recipe, versions(), dataset)
    context = Context(recipe, dataset, run.folder, progress, devices)
    with exclusive_folder(run.folder):
        if is_announced:
            context = replace(context, progress=announce(context, teacher))
        make_teacher(context, run.stage(Role.TEACHER), teacher)
        # A Keras model lies in the run folder by now; any other is used where it is.
        taught_by = run.teacher if isinstance(teacher, Path | None) else teacher
        _train(Role.STUDENT, run, partial(make_student, context, taught_by))
        if recipe.baselines and taught_by == run.teacher:
            _train(Role.MASKS_ONLY, run, partial(train_masks_only, context))
        if recipe.baselines:
            _train(Role.NO_TEACHER, run, partial(train_without_teacher, context))
        export_files(context)
        measure_files(context)
        write_page_of_run(context)
        if not _report_is_current(run):
            write_report(run.folder, context.progress)
    return run


def _train(role: Role, run: Run, make: Callable[[Path], TrainedRecord]) -> None:
    run_stage(run.stage(role), make, TrainedRecord)


def _report_is_current(run: Run) -> bool:
    if not run.report.is_file():
        return False
    sources = [*run.measurements.glob("*.json"), page_path(run.folder)]
    written = run.report.stat().st_mtime_ns
    return all(x.stat().st_mtime_ns <= written for x in sources if x.is_file())


def train_teacher(
    recipe: Recipe,
    out: Path,
    *,
    progress: Progress | None = None,
    devices: int = 1,
) -> TrainedRecord:
    """Train the recipe's teacher into `out` and return its record.

    The arguments are those of `compress`.

    Raises:
        RecipeError: if the recipe takes the teacher from a file.
        SegshrinkError: as for `compress`.
    """
    progress = progress or SilentProgress()
    if recipe.teacher.file is not None:
        raise RecipeError(
            f"teacher.file: {recipe.teacher.file} is trained already. Drop the field."
        )
    refuse_unlabelled(recipe)
    refuse_idle_files(recipe)
    require_devices(devices, [recipe.teacher.training.batch_size])
    dataset = open_recipe_data(recipe, progress)
    require_trainable(recipe, dataset)
    open_run(out, recipe, versions(), dataset)
    require_role(out, Role.TEACHER)
    context = Context(recipe, dataset, out, progress, devices)
    with exclusive_folder(out):
        return run_stage(out, partial(fit_teacher, context), TrainedRecord)


def distill_student(
    recipe: Recipe,
    teachers: Sequence[Path],
    student_file: Path,
    out: Path,
    *,
    plan: Path | None = None,
    progress: Progress | None = None,
    devices: int = 1,
) -> TrainedRecord:
    """Distil the model of a file from one or several teachers; returns the record.

    Args:
        recipe: its `data` and `student` sections are used, but not the student that it
            describes.
        teachers: trained models in files of any format, or folders of predictions, see
            `open_teacher`. Of several the mean of the probabilities teaches.
        student_file: model to train.
        out: folder of the trained student.
        plan: JSON that `prune` wrote for a student pruned from the teacher; by default
            the one beside the student, if any.
        progress: receives the progress of all long work.
        devices: as for `compress`.

    Raises:
        RunFolderError: if `out` was begun with other files.
        SegshrinkError: as for `compress`.
    """
    progress = progress or SilentProgress()
    require_devices(devices, [recipe.student.training.batch_size])
    # It is set before the models are loaded: their dropout layers take seeds then.
    keras.utils.set_random_seed(stage_seed(recipe, Role.STUDENT))
    dataset = open_recipe_data(recipe, progress, teachers)
    tile_px = recipe.data.tile_px
    teacher = open_teacher(teachers, dataset, tile_px, progress, recipe.teacher)
    student = load_model(student_file, architecture=recipe.student.architecture)
    require_fit(student, student_file, dataset, tile_px)
    class_frequencies(dataset.val)
    supervised_loss(recipe.student.training.loss, dataset)
    is_model = isinstance(teacher, keras.Model)
    chosen = recipe.student.distillation.completed()
    if not is_model:
        require_logits_suffice(chosen, recipe.student.training)
    kept = kept_by_plan_file(plan, student_file, recipe, teacher, student)
    build_terms(chosen, teacher, student, steps=1, kept=kept)
    refuse_known_pictures_of_new(out, dataset, progress)
    open_run(out, recipe, versions(), dataset)
    require_role(out, Role.STUDENT)
    inputs = DistillationInputs(
        teacher=sha256_of(teachers[0]) if is_model else teacher.digest(),
        student=sha256_of(student_file),
        plan=digest_of(plan),
        teacher_architecture=digest_of(recipe.teacher.architecture),
        student_architecture=digest_of(recipe.student.architecture),
    )
    _require_inputs(out, inputs)
    context = Context(recipe, dataset, out, progress, devices)
    train = partial(train_student, context, teacher, student, kept=kept)
    with exclusive_folder(out):
        return run_stage(out, train, TrainedRecord)


def _require_inputs(out: Path, inputs: DistillationInputs) -> None:
    path = out / "inputs.json"
    if not path.is_file():
        inputs.write(path)
    elif DistillationInputs.read(path) != inputs:
        raise RunFolderError(
            f"{out}: this folder was begun with another teacher or student, or with "
            "another plan or Python file of theirs. Name another folder."
        )


def _require_devices(devices: int, recipe: Recipe) -> None:
    sizes = [recipe.student.training.batch_size]
    if recipe.teacher.file is None:
        sizes.append(recipe.teacher.training.batch_size)
    require_devices(devices, sizes)


def require_distillable(
    recipe: Recipe, dataset: Dataset, given: Path | LogitsSource | None
) -> None:
    """Refuse now what would stop the student after its teacher was trained.

    Args:
        recipe: describes the student, and the teacher if it is trained.
        dataset: the recipe's data.
        given: as `checked_teacher` gives it.

    Raises:
        RecipeError: if an option of images without labels does not fit the data, or the
            losses of feature maps do not fit the models.
        UsageError: if the criterion does not fit the teacher.
        ModelError: if no channel of the teacher may leave though it is to be pruned.
    """
    student = recipe.student
    chosen = student.distillation.completed()
    require_sense_of_unlabelled(chosen, student.training, dataset)
    compares = bool(set(chosen.losses or ()) & set(FEATURE_LOSSES))
    if not isinstance(given, Path | None) or not (compares or student.kind == "pruned"):
        return
    teacher = teacher_to_check(recipe, dataset, given)
    if student.kind == "pruned":
        require_prunable(student.pruning, teacher)
        build_terms(chosen, teacher, teacher, steps=1)
    else:
        build_terms(chosen, teacher, _compact_student(recipe, dataset), steps=1)


def require_trainable(recipe: Recipe, dataset: Dataset) -> None:
    """Refuse now what would stop the run after hours.

    Raises:
        DatasetError: if no pixel of the validation part has a class.
        RecipeError: if a model or a loss of the recipe cannot be built.
    """
    class_frequencies(dataset.val)
    try:
        supervised_loss(recipe.student.training.loss, dataset)
        if recipe.teacher.file is None:
            supervised_loss(recipe.teacher.training.loss, dataset)
            untrained_teacher(recipe, dataset)
        if recipe.student.kind == "compact":
            _compact_student(recipe, dataset)
    except ValueError as error:
        raise RecipeError(f"recipe: {error}") from error


def _compact_student(recipe: Recipe, dataset: Dataset) -> keras.Model:
    tile_px = recipe.data.tile_px
    shape = (tile_px, tile_px, dataset.train.num_bands)
    return compact_student(recipe.student, dataset.classes.num_classes, shape)
