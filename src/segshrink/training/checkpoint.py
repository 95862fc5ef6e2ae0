"""The state of a training run between two epochs, in one file.

The file is replaced whole at the end of each epoch, so that a killed run continues from
the last finished epoch and ends as if it had never stopped.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np

from segshrink.errors import RunFolderError
from segshrink.records import written_whole

_FOLDER = "checkpoint"


def state_path(folder: Path) -> Path:
    """File that holds weights, optimizer slots and history after the last epoch."""
    return Path(folder) / _FOLDER / "last.npz"


def best_path(folder: Path) -> Path:
    """File that holds the best model so far."""
    return Path(folder) / _FOLDER / "best.keras"


def discard_checkpoint(folder: Path) -> None:
    """Remove what a finished training keeps for resuming."""
    shutil.rmtree(Path(folder) / _FOLDER, ignore_errors=True)


def save_state(folder: Path, variables: list[keras.Variable], facts: Any) -> None:
    """Write the values of `variables`, in order, and JSON-able `facts`."""
    arrays = {
        f"variable_{position}": keras.ops.convert_to_numpy(variable.value)
        for position, variable in enumerate(variables)
    }
    with written_whole(state_path(folder)) as partial, partial.open("wb") as file:
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
    try:
        with np.load(path, allow_pickle=False) as saved:
            facts = json.loads(str(saved["facts"]))
            values = [saved[f"variable_{i}"] for i in range(len(saved.files) - 1)]
    except (OSError, ValueError, KeyError) as error:
        raise RunFolderError(
            f"{path}: the checkpoint is damaged ({error}). "
            f"Delete {path.parent} to train again from the start."
        ) from error
    same_shapes = [tuple(v.shape) for v in variables] == [v.shape for v in values]
    if facts["fingerprint"] != fingerprint or not same_shapes:
        raise RunFolderError(
            f"{path}: this checkpoint belongs to a training with other settings. "
            f"Continue with the settings it was begun with, or delete {path.parent}."
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return facts
