"""Archives `.keras` that Keras 2.12 to 2.15, or tf_keras, wrote."""

import io
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras.src.saving.saving_lib import safe_get_h5_dataset
from keras.src.utils.naming import to_snake_case

from segshrink.errors import ModelError
from segshrink.models.keras2.graph import Built, build_graph
from segshrink.models.keras2.weights import assign

_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")


def load_archive(path: Path) -> keras.Model | None:
    """The model of an archive of Keras 2; None if a later Keras wrote it.

    Args:
        path: a `.keras` file.

    Raises:
        ModelError: naming the layer that is not part of Keras, or does not fit.
    """
    with zipfile.ZipFile(path) as archive:
        version = str(json.loads(archive.read("metadata.json")).get("keras_version"))
        if not version.startswith("2."):
            return None
        config = json.loads(archive.read("config.json"))
        weights = io.BytesIO(archive.read("model.weights.h5"))
    try:
        built = build_graph(config)
        with h5py.File(weights, "r") as file:
            _set_all(built, file)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    return built.model


def _set_all(built: Built, group: Any) -> None:
    """Set the weights of all layers, which lie in groups named after their classes."""
    container: Any = next((group[name] for name in _CONTAINERS if name in group), {})
    taken: Counter[str] = Counter()
    for name, layer in built.layers.items():
        kind = layer.kind if isinstance(layer, Built) else type(layer).__name__
        base = to_snake_case(kind)
        place = f"{base}_{taken[base]}" if taken[base] else base
        taken[base] += 1
        if isinstance(layer, Built):
            _set_all(layer, container.get(place, {}))
            continue
        held = container.get(f"{place}/vars", {}) if place in container else {}
        values = [
            (key, np.asarray(safe_get_h5_dataset(held, key)))
            for key in sorted(held, key=int)
        ]
        assign(name, layer.weights, values)
        if isinstance(layer, keras.layers.Normalization) and layer.built:
            layer.finalize_state()
