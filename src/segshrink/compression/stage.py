"""A stage of a run: work in a folder, done when its record is there."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import keras

from segshrink._version import __version__
from segshrink.errors import RunFolderError
from segshrink.measuring import count_macs
from segshrink.records.measurement import Role
from segshrink.records.record import Record
from segshrink.records.stage import StageRecord, TrainedRecord
from segshrink.training import TrainingResult, discard_checkpoint

_RECORD = "record.json"
R = TypeVar("R", bound=Record)


def run_stage(folder: Path, make: Callable[[Path], R], record_type: type[R]) -> R:
    """Run `make(folder)` unless the folder holds its record, and return the record.

    Args:
        folder: folder of the stage; a checkpoint in it is removed in the end.
        make: does the work, and returns its record.
        record_type: type of the record, to read it where the work is done already.
    """
    path = folder / _RECORD
    if not path.is_file():
        make(folder).write(path)
        keras.utils.clear_session()
    discard_checkpoint(folder)
    return record_type.read(path)


def trained_record(
    role: Role, model: keras.Model, seed: int, result: TrainingResult
) -> TrainedRecord:
    """Record of a stage that trained `model`.

    Args:
        role: role of the model in the run.
        model: the trained model; parameters and multiply-accumulates are counted.
        seed: seed of the recipe.
        result: outcome of the training run.
    """
    return TrainedRecord(
        kind=role,
        **asdict(count_macs(model)),
        **asdict(result),
        seed=seed,
        versions=versions(),
    )


def require_role(folder: Path, role: Role) -> None:
    """Refuse a folder that holds the model of another role.

    Raises:
        RunFolderError: if the record in the folder names another role.
    """
    path = folder / _RECORD
    if path.is_file() and (kind := StageRecord.read(path).kind) != role:
        raise RunFolderError(
            f"{folder}: this folder holds a {kind}, not a {role}. Name another folder."
        )


def versions() -> str:
    """Versions of segshrink and Keras and the name of the backend, in one line."""
    return (
        f"segshrink {__version__}, keras {keras.__version__}, {keras.backend.backend()}"
    )
