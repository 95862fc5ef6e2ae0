"""The plan of a run before it starts: its stages, its files, and how long it takes."""

import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from segshrink.compression.context import Context
from segshrink.compression.exporting import ExportedFile, files_to_make
from segshrink.compression.part_sizes import tiles_that_cover
from segshrink.compression.student import compact_student
from segshrink.compression.teacher import untrained_teacher
from segshrink.compression.time_left import TimeLeft, Work, roughly
from segshrink.distillation import LogitsSource
from segshrink.distillation.test_time_augmentation import AUGMENTATIONS
from segshrink.models import load_model
from segshrink.progress import Progress
from segshrink.recipe import Recipe, TrainingSettings
from segshrink.records.measurement import Role
from segshrink.text_table import as_text, columns
from segshrink.training import steps_per_epoch

# A training step computes a forward pass, and one each for the gradients of inputs and
# of weights.
_PASSES_OF_A_STEP = 3
# Seconds on two cores without load, of what no forward pass tells: the compilation of
# a training step, the pruning, the conversion of a file with its check, the plots.
_COMPILE, _PRUNE, _EXPORT, _REPORT = 7.0, 3.0, 5.0, 5.0
# Files are measured one image at a time with a thread or a few, overlapping at borders.
_SLOWER_MEASURED = 4
_SAMPLE_SECONDS = 0.03
_WARM_UP = 3
_BATCH, _PASSES_TIMED = 8, 3
# A share of the channels that a budget keeps is known only when it is met.
_KEPT_BY_A_BUDGET = 0.5
_LOGITS = "teacher's logits"


@dataclass(frozen=True)
class Stage:
    """A stage of a run, as it is planned.

    Attributes:
        name: such as "teacher".
        does: what it does, in words.
        works: what it will report to the progress; nothing where it is done.
    """

    name: str
    does: str
    works: tuple[Work, ...] = ()

    @property
    def seconds(self) -> float:
        """The estimate of all its works."""
        return sum(work.seconds for work in self.works)


@dataclass(frozen=True)
class Speed:
    """Seconds of a forward pass for one tile, on this machine.

    Attributes:
        teacher: of the teacher; 0 where its answers lie in files.
        student: of the student before it is trained.
        slowdown: how many times longer than alone a program takes beside the others
            that run now, at least 1.
    """

    teacher: float
    student: float
    slowdown: float = 1.0


def announce(context: Context, given: Path | LogitsSource | None) -> Progress:
    """Say what a run will do, and about how long it takes.

    Args:
        context: recipe, data, folder and progress of the run.
        given: the teacher, as for `make_teacher`.

    Returns:
        A progress that knows the time left of all stages.
    """
    if not any(x.works for x in planned_stages(context, given, Speed(1.0, 1.0))):
        return context.progress
    stages = planned_stages(context, given, measured_speed(context, given))
    for line in plan_lines(context, stages):
        context.progress.say(line)
    return TimeLeft(context.progress, [x for stage in stages for x in stage.works])


def plan_lines(context: Context, stages: Sequence[Stage]) -> list[str]:
    """The plan as text: a line for each stage, the time, and how to make it shorter."""
    rows = [
        (f"  {x.name}", roughly(x.seconds) if x.works else "done", x.does)
        for x in stages
    ]
    seconds = sum(stage.seconds for stage in stages)
    return [
        f"Plan of {context.folder}:",
        *as_text(columns(("  stage", "time", "what"), rows)).splitlines(),
        f"{roughly(seconds).capitalize()} in all. This is an estimate from a forward "
        "pass of the models on this machine, and is corrected while it runs. Stopped, "
        "the same command resumes.",
        *_shorter(context.recipe, stages),
    ]


def _shorter(recipe: Recipe, stages: Sequence[Stage]) -> Iterable[str]:
    longest = max(stages, key=lambda stage: stage.seconds)
    ways = []
    for name, training in (
        ("teacher", recipe.teacher.training),
        ("student", recipe.student.training),
    ):
        if longest.name == name and training.epochs > 1:
            ways.append(f"--set {name}.training.epochs={training.epochs // 2}")
    if recipe.baselines:
        ways.append("--no-baselines")
    if recipe.export.onnx and recipe.export.litert:
        ways.append("--set export.onnx=false")
    if ways:
        yield f"To make it shorter: {', '.join(ways)}; the models may be worse for it."


def planned_stages(
    context: Context, given: Path | LogitsSource | None, speed: Speed
) -> list[Stage]:
    """The stages of a run in their order; those that are done have no works.

    Args:
        context: recipe, data and folder of the run.
        given: the teacher, as for `make_teacher`.
        speed: of the models on this machine.
    """
    run = context.run
    teacher = _teacher_stage(context, given, speed)
    student = _student_stage(context, speed)
    baselines = _baselines(context, given, teacher, student)
    stages = {
        Role.TEACHER: teacher,
        Role.STUDENT: student,
        **baselines,
    }
    trained = [
        Stage(stage.name, stage.does)
        if (run.stage(role) / "record.json").is_file()
        else stage
        for role, stage in stages.items()
    ]
    has_model = given is None or isinstance(given, Path)
    files = files_to_make(run, has_teacher_model=has_model)
    return [
        *trained,
        _export_stage(context, files, speed),
        *_measuring_stages(context, files, speed),
    ]


def _teacher_stage(
    context: Context, given: Path | LogitsSource | None, speed: Speed
) -> Stage:
    recipe = context.recipe
    if given is not None:
        names = ", ".join(Path(x).name for x in recipe.teacher.files)
        return Stage("teacher", f"taken as it is: {names}", (Work("teacher", 1.0),))
    name, training = recipe.teacher.model.name, recipe.teacher.training
    seconds, words = _training(context, training, speed.teacher, speed.slowdown)
    work = Work("teacher", seconds)
    return Stage("teacher", f"{name}, trained from the start: {words}", (work,))


def _student_stage(context: Context, speed: Speed) -> Stage:
    settings = context.recipe.student
    seconds, words = _training(
        context, settings.training, speed.student, speed.slowdown
    )
    logits, per_step = _teaching(context, speed)
    stored = [Work(_LOGITS, logits)] if logits else []
    works = [*stored, Work("student", seconds + per_step)]
    if settings.kind == "compact":
        return Stage("student", f"compact, distilled: {words}", tuple(works))
    pruning = settings.pruning
    kept = f"to {pruning.keep:.0%} of its channels" if pruning.keep else "to its budget"
    times = f" in {pruning.steps} steps" if pruning.steps > 1 else ""
    prune = _PRUNE * pruning.steps * speed.slowdown
    # Each step but the last is a shorter training run with stored logits of its own.
    share = (pruning.step_epochs or 2) / settings.training.epochs
    step = [*stored, Work("student", share * (seconds + per_step))]
    works = [Work("reconstructing", prune), *step * (pruning.steps - 1), *works]
    does = f"the teacher pruned {kept}{times}, distilled: {words}"
    return Stage("student", does, tuple(works))


def _teaching(context: Context, speed: Speed) -> tuple[float, float]:
    """Seconds for the teacher's logits before training, and within its steps."""
    settings, train = context.recipe.student, context.dataset.train
    training, chosen = settings.training, settings.distillation
    once = tiles_that_cover(train, context.tile_px) * speed.teacher
    once *= chosen.views_under(training.augmentation)
    if chosen.cache_averaged:
        once *= AUGMENTATIONS
    each = _tiles(context, training) * speed.teacher
    is_asked_for = bool(chosen.cache_views or chosen.cache_averaged)
    stores = chosen.cache and (is_asked_for or once < each)
    return (once, 0.0) if stores else (0.0, each)


def _baselines(
    context: Context,
    given: Path | LogitsSource | None,
    teacher: Stage,
    student: Stage,
) -> dict[Role, Stage]:
    if not context.recipe.baselines:
        return {}
    timing = [Work("timing an epoch", 2 * _COMPILE)]
    both = teacher.seconds + student.seconds
    no_teacher = Stage(
        "no teacher",
        "baseline: the student's architecture on labels only, for as long as both",
        (*timing, Work("baseline", both)),
    )
    masks = Stage(
        "masks only",
        "baseline: the teacher under masks, for as long as the student",
        (*timing, Work("baseline", student.seconds)),
    )
    has_model = given is None or isinstance(given, Path)
    first = {Role.MASKS_ONLY: masks} if has_model else {}
    return {**first, Role.NO_TEACHER: no_teacher}


def _export_stage(
    context: Context, files: Sequence[ExportedFile], speed: Speed
) -> Stage:
    folder = context.run.artifacts
    missing = [file for file in files if not (folder / file.file_name).exists()]
    names = ", ".join(file.file_name for file in files)
    work = Work("export", _EXPORT * speed.slowdown * len(missing))
    works = (work,) if missing else ()
    return Stage("export", f"{folder}: {names}", works)


def _measuring_stages(
    context: Context, files: Sequence[ExportedFile], speed: Speed
) -> list[Stage]:
    run, settings = context.run, context.recipe.measuring
    part = getattr(context.dataset, settings.part)
    passes = _SLOWER_MEASURED * tiles_that_cover(part, context.tile_px)
    qualities = [
        Work(f"quality of {file.file_name}", passes * _of_role(speed, file.role))
        for file in files
    ]
    samples = len(files) * (settings.rounds + _WARM_UP)
    latency = Work("latency", samples * _SAMPLE_SECONDS)
    is_measured = all((run.measurements / f"{x.name}.json").is_file() for x in files)
    does = (
        f"quality of {len(files)} files on {len(part)} images of {part.name}, "
        f"latency in {settings.rounds} rounds"
    )
    measuring = Stage("measuring", does, () if is_measured else (*qualities, latency))
    is_written = is_measured and run.report.is_file()
    works = () if is_written else (Work("report", _REPORT * speed.slowdown),)
    return [measuring, Stage("report", str(run.report), works)]


def _of_role(speed: Speed, role: Role) -> float:
    return speed.teacher if role in (Role.TEACHER, Role.MASKS_ONLY) else speed.student


def _tiles(context: Context, training: TrainingSettings) -> int:
    if training.batch_size == "auto":
        # Which number fits is known with the models; the tiles hardly depend on it.
        training = training.model_copy(update={"batch_size": _BATCH})
    steps = steps_per_epoch(context.dataset, training, context.tile_px)
    return training.epochs * steps * training.tiles_in_batch


def _training(
    context: Context, training: TrainingSettings, forward: float, slowdown: float
) -> tuple[float, str]:
    """Seconds of a training run, and its extent in words."""
    validations = -(-training.epochs // training.validate_every)
    seen = validations * tiles_that_cover(context.dataset.val, context.tile_px)
    tiles = _tiles(context, training)
    seconds = (_PASSES_OF_A_STEP * tiles + seen) * forward + _COMPILE * slowdown
    epochs = f"{training.epochs} epoch{'s' * (training.epochs > 1)}"
    return seconds, f"{epochs} of {tiles // training.epochs:,} tiles"


def measured_speed(context: Context, given: Path | LogitsSource | None) -> Speed:
    """Time forward passes of the teacher and of the student, as far as they are known.

    What a pruned student costs is taken from the share of the channels that it keeps.
    """
    recipe, tile_px = context.recipe, context.tile_px
    if given is None:
        model = untrained_teacher(recipe, context.dataset)
        teacher, slowdown = forward_seconds(model, tile_px)
    elif isinstance(given, Path):
        model = load_model(given, recipe.teacher.head, recipe.teacher.architecture)
        teacher, slowdown = forward_seconds(model, tile_px)
    else:
        teacher, slowdown = 0.0, 1.0
    if recipe.student.kind == "pruned":
        keep = recipe.student.pruning.keep or _KEPT_BY_A_BUDGET
        return Speed(teacher, keep * teacher, slowdown)
    dataset = context.dataset
    shape = (tile_px, tile_px, dataset.train.num_bands)
    student = compact_student(recipe.student, dataset.classes.num_classes, shape)
    return Speed(teacher, *forward_seconds(student, tile_px))


def forward_seconds(model: keras.Model, tile_px: int) -> tuple[float, float]:
    """Time forward passes of a model.

    Args:
        model: takes images of `tile_px` or of any size.
        tile_px: height and width of the tiles.

    Returns:
        Seconds for one tile of a batch, the median of three passes, and how many times
        longer than alone this process takes beside the others, at least 1: compiling
        computes all the time, and is timed by the clock and by the processor.
    """
    images = np.zeros((_BATCH, tile_px, tile_px, model.input_shape[3]), "float32")
    if keras.backend.backend() == "tensorflow":
        # As in training: compiling with XLA takes too long.
        model.jit_compile = False
    began, computed = time.perf_counter(), time.process_time()
    model.predict_on_batch(images)
    passed = time.perf_counter() - began
    slowdown = max(1.0, passed / max(time.process_time() - computed, 1e-9))
    took = []
    for _ in range(_PASSES_TIMED):
        began = time.perf_counter()
        model.predict_on_batch(images)
        took.append(time.perf_counter() - began)
    return statistics.median(took) / _BATCH, slowdown
