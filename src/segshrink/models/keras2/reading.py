"""HDF5 files of models: which Keras wrote them, and what is in them."""

import json
from pathlib import Path
from typing import Any

import h5py
import keras

from segshrink.errors import ModelError
from segshrink.models.keras2.configs import BUILD_IT
from segshrink.models.keras2.graph import build_graph
from segshrink.models.keras2.weights import read_weights, set_weights

HDF5_SUFFIXES = (".h5", ".hdf5")


def load_hdf5(path: Path) -> keras.Model:
    """The model of a `.h5` or `.hdf5` file, without optimizer, loss or metrics.

    Args:
        path: a file of Keras 1 to 3.

    Raises:
        ModelError: if it holds only weights, or needs what is not part of Keras.
        OSError: if it is not an HDF5 file.
    """
    with h5py.File(path, "r") as file:
        config = file.attrs.get("model_config")
        if config is None:
            raise ModelError(_without_model(path, file))
        if _version(file) >= 3:
            return keras.saving.load_model(path, compile=False, safe_mode=True)
        try:
            built = build_graph(json.loads(config))
            set_weights(built, read_weights(file["model_weights"]))
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error
    return built.model


def is_hdf5(path: Path) -> bool:
    """Whether the ending of a file is one of HDF5."""
    return path.suffix in HDF5_SUFFIXES


def weights_group(file: Any) -> Any | None:
    """Where Keras 2 put the weights in an open HDF5 file; None in others."""
    for group in (file, file.get("model_weights")):
        if group is not None and (
            "layer_names" in group.attrs or "layer_names0" in group.attrs
        ):
            return group
    return None


def _holds_only_weights(file: Any) -> bool:
    is_new = "layers" in file or "_layer_checkpoint_dependencies" in file
    return is_new or weights_group(file) is not None


def _version(file: Any) -> int:
    """The first number of the version of Keras that wrote a file; 1 if none is told."""
    version = file.attrs.get("keras_version", b"1")
    text = version.decode() if isinstance(version, bytes) else str(version)
    first = text.partition(".")[0]
    return int(first) if first.isdecimal() else 1


def _without_model(path: Path, file: Any) -> str:
    if _holds_only_weights(file):
        return f"{path}: holds only the weights of a model, not the model. {BUILD_IT}"
    return f"{path}: an HDF5 file, but it holds no model of Keras."
