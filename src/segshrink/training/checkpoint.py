"""The state of a training run between two epochs, in one file.

The file is replaced atomically at the end of each epoch, so that a killed run resumes
from the last finished epoch and ends as if it had never stopped.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from segshrink.errors import RunFolderError
from segshrink.reading import DAMAGED_ARRAY
from segshrink.records import atomic_write
from segshrink.training.history import HistoryRow

_FOLDER = "checkpoint"


@dataclass
class TrainingState:
    """State of a training run after an epoch, beside its variables.

    Attributes:
        fingerprint: JSON-able description of the run, which must not change when it
            resumes.
        history: rows of the epochs so far.
        best_epoch: 1-based epoch of the best model; 0 before there is one.
        best_miou: its mean IoU on the validation part.
    """

    fingerprint: Mapping[str, object]
    history: list[HistoryRow] = field(default_factory=list)
    best_epoch: int = 0
    best_miou: float | None = None


def state_path(folder: Path) -> Path:
    """File that holds weights, optimizer slots and history after the last epoch."""
    return Path(folder) / _FOLDER / "last.npz"


def best_path(folder: Path, epoch: int) -> Path:
    """File that holds the best model so far, that of `epoch`.

    The epoch is in the name, so that the state and its model belong together even if
    the run is killed between writing the one and the other.
    """
    return Path(folder) / _FOLDER / f"best-{epoch}.keras"


def discard_other_models(folder: Path, best_epoch: int) -> None:
    """Remove the best models of epochs before `best_epoch`."""
    for path in (Path(folder) / _FOLDER).glob("best-*.keras"):
        if path != best_path(folder, best_epoch):
            path.unlink()


def discard_checkpoint(folder: Path) -> None:
    """Remove the files that a finished training run keeps for resuming."""
    shutil.rmtree(Path(folder) / _FOLDER, ignore_errors=True)


def save_state(
    folder: Path, variables: list[keras.Variable], state: TrainingState
) -> None:
    """Write the values of `variables`, in order, and the state of the run."""
    arrays = {
        f"variable_{position}": _plain(keras.ops.convert_to_numpy(variable.value))
        for position, variable in enumerate(variables)
    }
    with atomic_write(state_path(folder)) as partial, partial.open("wb") as file:
        arrays["facts"] = np.array(json.dumps(asdict(state)))
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _plain(values: np.ndarray) -> np.ndarray:
    # NumPy writes bfloat16 as bytes that it does not read again; float32 holds it.
    return values.astype(np.float32) if values.dtype.kind == "V" else values


def load_state(
    folder: Path, variables: list[keras.Variable], fingerprint: Mapping[str, object]
) -> TrainingState:
    """Assign the saved values to `variables` and return the saved state.

    Args:
        folder: training folder.
        variables: the same variables, in the same order, as were saved.
        fingerprint: JSON-able description of the run; it must equal the saved one.

    Returns:
        The saved state; that of the beginning if none is saved.

    Raises:
        RunFolderError: if the state belongs to another training run or is damaged.
    """
    path = state_path(folder)
    if not path.is_file():
        return TrainingState(fingerprint)
    state, values = _read_state(path)
    differences = _differences(state.fingerprint, fingerprint)
    if [tuple(v.shape) for v in variables] != [v.shape for v in values]:
        differences.append("model")
    if differences:
        raise RunFolderError(
            f"{path}: this checkpoint belongs to a training run with other settings "
            f"({', '.join(differences)}). Use the settings that the run began with, "
            f"or delete {path.parent}."
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return state


def stored_batch_size(folder: Path) -> int | None:
    """Tiles in a batch of the run that a folder holds; None if it holds none.

    Raises:
        RunFolderError: if its state is damaged.
    """
    path = state_path(folder)
    if not path.is_file():
        return None
    settings = _read_state(path)[0].fingerprint.get("settings")
    size = settings.get("batch_size") if isinstance(settings, dict) else None
    return size if isinstance(size, int) else None


def _read_state(path: Path) -> tuple[TrainingState, list[np.ndarray]]:
    try:
        with np.load(path, allow_pickle=False) as saved:
            state = TrainingState(**json.loads(str(saved["facts"])))
            values = [saved[f"variable_{i}"] for i in range(len(saved.files) - 1)]
    except DAMAGED_ARRAY as error:
        raise RunFolderError(
            f"{path}: the checkpoint is damaged ({error}). "
            f"Delete {path.parent} to train again from the start."
        ) from error
    return state, values


def _differences(saved: Any, current: Any, place: str = "") -> list[str]:
    """Dotted names of the values that differ between two JSON-able descriptions."""
    if not (isinstance(saved, dict) and isinstance(current, dict)):
        return [] if saved == current else [place]
    return [
        difference
        for key in sorted(saved.keys() | current.keys())
        for difference in _differences(
            saved.get(key), current.get(key), f"{place}.{key}" if place else key
        )
    ]
