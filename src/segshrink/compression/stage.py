"""A stage of a run: work in a folder, done when its record is there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from segshrink._version import __version__
from segshrink.measuring import count_macs
from segshrink.records import read_json, write_json
from segshrink.training import TrainingResult, discard_checkpoint


def stage_record(
    kind: str, model: keras.Model, seed: int, result: TrainingResult | None = None
) -> dict[str, Any]:
    """The record of a stage that made a model."""
    size = count_macs(model)
    training = {} if result is None else result.as_record()
    return {
        "kind": kind,
        "parameters": size.parameters,
        "macs": size.macs,
        **training,
        "seed": seed,
        "versions": versions(),
    }


def run_stage(folder: Path, make: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Run `make(folder)` unless its record is there already, and return the record."""
    record = folder / "record.json"
    if not record.is_file():
        write_json(record, make(folder))
        keras.utils.clear_session()
    discard_checkpoint(folder)
    return read_json(record)


def versions() -> str:
    """What a model was made with, in one line."""
    return (
        f"segshrink {__version__}, keras {keras.__version__}, {keras.backend.backend()}"
    )
