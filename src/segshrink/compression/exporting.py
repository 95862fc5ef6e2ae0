"""Exports the files of a run and checks each against its model."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import keras

from segshrink.compression.accuracy_control import (
    AccuracyControl,
    ExportTask,
    export_with_accuracy_control,
)
from segshrink.compression.context import Context
from segshrink.compression.metadata import file_metadata
from segshrink.compression.output import settle_output
from segshrink.compression.run_folder import Run
from segshrink.data import Dataset, plain_tiles
from segshrink.export import fixed_input_shape, read_metadata
from segshrink.formats import Format, Output, Precision
from segshrink.measuring import count_macs
from segshrink.models import load_model
from segshrink.progress import Progress, SilentProgress
from segshrink.recipe import ExportSettings, Recipe
from segshrink.records import atomic_write, model_files
from segshrink.records.measurement import ModelCost, Role
from segshrink.records.metadata import FileMetadata
from segshrink.records.run import ExportCheck, ExportRecord

CALIBRATION_TILES = 64
# They are deployed, or stand for what would be deployed; the others are only compared.
_QUANTIZED_ROLES = (Role.STUDENT, Role.NO_TEACHER)


@dataclass(frozen=True)
class ExportedFile:
    """One file of a run: its model, its format and its precision.

    `is_given` marks the file of a teacher that is no Keras model: it is taken as it is.
    """

    role: Role
    model: Path
    format: Format
    precision: Precision
    is_given: bool = False

    @property
    def name(self) -> str:
        """Name of the file's record."""
        return f"{self.role}-{self.precision.label}-{self.format}"

    @property
    def file_name(self) -> str:
        """Name of the file itself, or of the folder of a SavedModel."""
        suffix = self.format.suffix
        if self.is_given and suffix:
            suffix = self.model.suffix
        return f"{self.role}-{self.precision.label}{suffix}"


def files_to_make(
    run: Run, *, has_teacher_model: bool | None = None
) -> list[ExportedFile]:
    """All files that the recipe asks for, those of the teacher first.

    Args:
        run: the run.
        has_teacher_model: whether the teacher is one Keras model; None looks for it in
            the run folder, where it lies after its stage.
    """
    roles = [Role.TEACHER, Role.STUDENT]
    if run.recipe.baselines:
        roles[1:1] = [Role.MASKS_ONLY, Role.NO_TEACHER]
    if has_teacher_model is None:
        has_teacher_model = not run.recipe.teacher.files or run.teacher.is_file()
    given = None if has_teacher_model else _given_teacher(run)
    if given is not None:
        # There is no model to export, and none whose weights were masked.
        roles = [x for x in roles if x not in (Role.TEACHER, Role.MASKS_ONLY)]
    made = [
        ExportedFile(role, run.model(role), format, precision)
        for role in roles
        for format, precision in formats_to_make(run.recipe.export)
        if precision is Precision.FLOAT32 or role in _QUANTIZED_ROLES
    ]
    return [*(given or ()), *made]


def _given_teacher(run: Run) -> list[ExportedFile]:
    """The own file of a teacher that is no Keras model.

    There is no file to measure of a folder of predictions or of several teachers.
    """
    files = [Path(file) for file in run.recipe.teacher.files]
    format = Format.of_file(files[0])
    if len(files) > 1 or format is None:
        return []
    metadata = read_metadata(files[0]) or FileMetadata()
    precision = Precision(metadata.precision)
    return [ExportedFile(Role.TEACHER, files[0], format, precision, is_given=True)]


def formats_to_make(settings: ExportSettings) -> list[tuple[Format, Precision]]:
    """Formats and precisions of the files that the recipe asks for."""
    wanted = {
        (Format.LITERT, Precision.FLOAT32): settings.litert,
        (Format.LITERT, Precision.INT8): settings.int8,
        (Format.ONNX, Precision.FLOAT32): settings.onnx,
    }
    return [pair for pair, is_wanted in wanted.items() if is_wanted]


def export_files(context: Context) -> None:
    """Export every file that is missing, and check it against its model."""
    files, run = files_to_make(context.run), context.run
    context.progress.start("export", len(files))
    for file in files:
        path = run.artifacts / file.file_name
        record = export_record_path(path)
        if file.is_given:
            _copy(file.model, path)
        elif not (record.is_file() and path.is_file()):
            _export(context, file, path).write(record)
        context.progress.advance(file=path.name)
    context.progress.finish()


def export_record_path(path: Path) -> Path:
    """Path of the export record of a file."""
    return path.with_name(f"{path.name}.json")


def _export(context: Context, file: ExportedFile, path: Path) -> ExportRecord:
    model = load_model(file.model)
    check = export_checked(
        model,
        path,
        context.dataset,
        precision=file.precision,
        tiles=context.recipe.export.calibration_tiles,
        # A file that the student is compared with may lose any amount.
        control=accuracy_control_of(
            context.recipe, file.model, is_required=file.role is Role.STUDENT
        ),
        progress=context.progress,
    )
    # A run that is killed here has no record of the file, and exports it again.
    settle_output(path, Output(context.recipe.export.output), context.dataset.val)
    cost = ModelCost(**asdict(count_macs(model)))
    return ExportRecord(file=path.name, model=cost, **check.as_plain())


def _copy(given: Path, path: Path) -> None:
    """Copy a teacher's own file, the weights beside it first, if it is not there."""
    if given.is_dir():
        if not path.is_dir():
            with atomic_write(path) as partial:
                shutil.copytree(given, partial)
        return
    for file in reversed(model_files(given)):
        target = path.with_suffix(file.suffix)
        if file != given and Format.of_file(given) is Format.ONNX:
            # The graph names these files, so they keep their names.
            target = path.parent / file.relative_to(given.parent)
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(target) as partial:
                shutil.copyfile(file, partial)


def accuracy_control_of(
    recipe: Recipe, model: Path, *, is_required: bool = True
) -> AccuracyControl:
    """Accuracy control of the files that a recipe makes of a student.

    Args:
        recipe: limit, and settings of quantization-aware training.
        model: the student's model file; training writes into a folder beside it.
        is_required: False keeps the best of the files if none is within the limit.
    """
    return AccuracyControl(
        max_drop=recipe.export.max_drop,
        training=recipe.student.training,
        epochs=recipe.export.qat_epochs,
        folder=model.parent / "int8",
        seed=recipe.seed,
        is_required=is_required,
    )


def export_checked(
    model: keras.Model,
    path: Path,
    dataset: Dataset,
    *,
    precision: Precision = Precision.FLOAT32,
    tiles: int = CALIBRATION_TILES,
    control: AccuracyControl | None = None,
    progress: Progress | None = None,
) -> ExportCheck:
    """Export `model`, and compare the file with it on tiles of the validation part.

    The file carries metadata: its input and output, its classes and its data.

    Args:
        model: trained model that takes images of a fixed size.
        path: file to write; its suffix decides the format.
        dataset: data that the model was trained on.
        precision: precision of the file.
        tiles: number of training tiles to calibrate on, if the precision needs it.
        control: limit on the loss, and remedies; by default a point of mean IoU, and
            no quantization-aware training.
        progress: receives the attempts to lose less.

    Returns:
        The comparison of the file with the model.

    Raises:
        ExportError: if the format cannot express the model, a float file differs, or
            an int8 file loses more than the limit with every remedy.
    """
    images = None
    if precision.is_calibrated:
        images, _ = plain_tiles(dataset.train, fixed_input_shape(model), tiles)
    task = ExportTask(
        model,
        path,
        precision,
        dataset,
        tiles=images,
        metadata=file_metadata(model, precision, dataset),
        progress=progress or SilentProgress(),
    )
    return export_with_accuracy_control(task, control or AccuracyControl())
