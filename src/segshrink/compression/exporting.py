"""Exports the files of a run and checks each against its model."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from segshrink.compression.accuracy_control import Limit, export_with_accuracy_control
from segshrink.compression.metadata import file_metadata
from segshrink.compression.run_folder import Run
from segshrink.data import Dataset, plain_tiles
from segshrink.formats import Format, Precision
from segshrink.measuring import (
    count_macs,
)
from segshrink.models import load_model
from segshrink.progress import Progress
from segshrink.recipe import ExportSettings
from segshrink.records import write_json


@dataclass(frozen=True)
class ExportedFile:
    """A file to export: of which model, in which format and precision."""

    role: str
    model: Path
    format: Format
    precision: Precision

    @property
    def name(self) -> str:
        """Name of the file's record."""
        return f"{self.role}-{self.precision.label}-{self.format}"

    @property
    def file_name(self) -> str:
        """Name of the file itself."""
        return f"{self.role}-{self.precision.label}{self.format.suffix}"


def files_to_make(run: Run) -> list[ExportedFile]:
    """All files that the recipe asks for, the teacher's first."""
    models = {"teacher": run.teacher}
    if run.recipe.baselines:
        baselines = run.folder / "baselines"
        models["masked"] = baselines / "masked" / "model.keras"
        models["alone"] = baselines / "alone" / "model.keras"
    models["student"] = run.student
    return [
        ExportedFile(role, model, format, precision)
        for role, model in models.items()
        for format, precision in formats_to_make(run.recipe.export)
        # Masks and the teacher are there to be compared with; both as they are.
        if precision is Precision.FLOAT32 or role in ("student", "alone")
    ]


def formats_to_make(settings: ExportSettings) -> list[tuple[Format, Precision]]:
    """Formats and precisions of the files that the recipe asks for."""
    wanted = {
        (Format.LITERT, Precision.FLOAT32): settings.litert,
        (Format.LITERT, Precision.INT8): settings.int8,
        (Format.ONNX, Precision.FLOAT32): settings.onnx,
    }
    return [pair for pair, is_wanted in wanted.items() if is_wanted]


def export_files(run: Run, dataset: Dataset, progress: Progress) -> None:
    """Make every file that is not there yet, and check it against its model."""
    wanted = files_to_make(run)
    progress.start("export", len(wanted))
    tiles: np.ndarray | None = None
    for item in wanted:
        path = run.artifacts / item.file_name
        checked = path.with_name(f"{path.name}.json")
        if not (checked.is_file() and path.is_file()):
            if tiles is None:
                tiles = calibration_tiles(
                    dataset,
                    run.recipe.data.tile_px,
                    run.recipe.export.calibration_tiles,
                )
            write_json(checked, _export(run, item, path, dataset, tiles, progress))
        progress.advance(file=path.name)
    progress.finish()


def _export(
    run: Run,
    item: ExportedFile,
    path: Path,
    dataset: Dataset,
    tiles: np.ndarray,
    progress: Progress,
) -> dict[str, Any]:
    model = load_model(item.model)
    settings = run.recipe.export
    limit = Limit(
        max_drop=settings.max_drop,
        training=run.recipe.student.training,
        epochs=settings.qat_epochs,
        folder=item.model.parent / "int8",
        seed=run.recipe.seed,
        # What the student is compared with may lose what it loses.
        is_strict=item.role == "student",
    )
    found = export_checked(
        model,
        path,
        item.format,
        dataset=dataset,
        calibration=tiles,
        precision=item.precision,
        limit=limit,
        progress=progress,
    )
    return {"file": path.name, "model": asdict(count_macs(model)), **found}


def export_checked(
    model: keras.Model,
    path: Path,
    format: Format,
    *,
    dataset: Dataset,
    calibration: np.ndarray,
    precision: Precision,
    limit: Limit | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Export `model`, and compare the file with it on tiles of the validation part.

    The file carries, as JSON, what it takes and gives, and its classes and data.

    Args:
        model: the model.
        path: file to write.
        format: format of the file.
        dataset: data that the model was trained on.
        calibration: uint8 `(tiles, height, width, 3)` of the training part.
        precision: precision of the file.
        limit: what the file may lose; by default a point of mean IoU.
        progress: told of attempts to lose less.

    Returns:
        As `export_with_accuracy_control`.

    Raises:
        ExportError: if the format cannot express the model, a float file differs, or an
            int8 file loses more than the limit whatever is tried.
    """
    return export_with_accuracy_control(
        model,
        path,
        format,
        precision=precision,
        dataset=dataset,
        calibration=calibration,
        limit=limit or Limit(),
        metadata=file_metadata(model, precision, dataset),
        progress=progress,
    )


def calibration_tiles(dataset: Dataset, tile_px: int, count: int) -> np.ndarray:
    """Images of `count` training tiles as they are, uint8 `(count, px, px, 3)`."""
    return plain_tiles(dataset.train, tile_px, count)[0]
