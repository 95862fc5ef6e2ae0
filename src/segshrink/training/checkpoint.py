"""The state of a training run between two epochs, in one file.

The file is replaced whole at the end of each epoch, so that a killed run continues from
the last finished epoch and ends as if it had never stopped.
"""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from segshrink.errors import RunFolderError
from segshrink.records import atomic_write

_FOLDER = "checkpoint"


def state_path(folder: Path) -> Path:
    """File that holds weights, optimizer slots and history after the last epoch."""
    return Path(folder) / _FOLDER / "last.npz"


def best_path(folder: Path, epoch: int) -> Path:
    """File that holds the best model so far, that of `epoch`.

    The epoch is in the name, so that the state and the model it speaks of belong
    together even if the run is killed between writing the one and the other.
    """
    return Path(folder) / _FOLDER / f"best-{epoch}.keras"


def discard_other_models(folder: Path, best_epoch: int) -> None:
    """Remove models that were the best before that of `best_epoch`."""
    for path in (Path(folder) / _FOLDER).glob("best-*.keras"):
        if path != best_path(folder, best_epoch):
            path.unlink()


def discard_checkpoint(folder: Path) -> None:
    """Remove what a finished training keeps for resuming."""
    shutil.rmtree(Path(folder) / _FOLDER, ignore_errors=True)


def save_state(folder: Path, variables: list[keras.Variable], facts: Any) -> None:
    """Write the values of `variables`, in order, and JSON-able `facts`."""
    arrays = {
        f"variable_{position}": keras.ops.convert_to_numpy(variable.value)
        for position, variable in enumerate(variables)
    }
    with atomic_write(state_path(folder)) as partial, partial.open("wb") as file:
        np.savez(file, facts=np.array(json.dumps(facts)), **arrays)


def load_state(
    folder: Path, variables: list[keras.Variable], fingerprint: Any
) -> dict[str, Any] | None:
    """Put saved values back into `variables` and return the saved facts.

    Args:
        folder: training folder.
        variables: the same variables, in the same order, as were saved.
        fingerprint: JSON-able description of the training; it must equal
            `facts["fingerprint"]`.

    Returns:
        The saved facts, or None if there is no saved state.

    Raises:
        RunFolderError: if the state belongs to another training or is damaged.
    """
    path = state_path(folder)
    if not path.is_file():
        return None
    facts, values = _read_state(path)
    differences = _differences(facts["fingerprint"], fingerprint)
    if [tuple(v.shape) for v in variables] != [v.shape for v in values]:
        differences.append("model")
    if differences:
        raise RunFolderError(
            f"{path}: this checkpoint belongs to a training with other settings "
            f"({', '.join(differences)}). Continue with the settings it was begun "
            f"with, or delete {path.parent}."
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return facts


def _read_state(path: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    try:
        with np.load(path, allow_pickle=False) as saved:
            facts = json.loads(str(saved["facts"]))
            values = [saved[f"variable_{i}"] for i in range(len(saved.files) - 1)]
    # What a damaged archive raises depends on where the damage is.
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunFolderError(
            f"{path}: the checkpoint is damaged ({error}). "
            f"Delete {path.parent} to train again from the start."
        ) from error
    return facts, values


def _differences(saved: Any, asked: Any, place: str = "") -> list[str]:
    """Dotted names of what differs between two JSON-able descriptions."""
    if not (isinstance(saved, dict) and isinstance(asked, dict)):
        return [] if saved == asked else [place]
    return [
        difference
        for key in sorted(saved.keys() | asked.keys())
        for difference in _differences(
            saved.get(key), asked.get(key), f"{place}.{key}" if place else key
        )
    ]
