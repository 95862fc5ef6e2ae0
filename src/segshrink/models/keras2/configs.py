"""Settings of layers as Keras 2 spells them, for layers of Keras 3."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras
from keras.src.applications import convnext
from keras.src.saving.serialization_lib import SafeModeScope

from segshrink.errors import ModelError

Config = Mapping[str, Any]

BUILD_IT = (
    "Name a Python file that builds the model with --architecture MODEL.py (in a "
    "recipe teacher.architecture), or build it of layers of Keras and save it with "
    "model.save('NAME.keras')."
)

# Names of the same classes in older versions, and of copies in other packages.
_OTHER_NAMES: Mapping[str, Any] = {
    "BatchNormalizationV1": keras.layers.BatchNormalization,
    "BatchNormalizationV2": keras.layers.BatchNormalization,
    "SyncBatchNormalization": keras.layers.BatchNormalization,
    "LayerNormalizationV1": keras.layers.LayerNormalization,
    "FixedDropout": keras.layers.Dropout,
    "LayerScale": convnext.LayerScale,
    "StochasticDepth": convnext.StochasticDepth,
}
# These change nothing of what a layer computes for images.
_IDLE = (
    "batch_input_shape",
    "batch_shape",
    "dynamic",
    "fused",
    "implementation",
    "input_dtype",
    "input_shape",
    "key_shape",
    "query_shape",
    "ragged",
    "sparse",
    "value_shape",
    "virtual_batch_size",
)
# These are idle where they have the value that they have without being given.
_IDLE_AT: Mapping[str, object] = {
    "adjustment": None,
    "autocast": True,
    "groups": 1,
    "renorm": False,
}
_ONLY_FOR_TRAINING = {
    "_initializer": keras.initializers.get,
    "_regularizer": keras.regularizers.get,
    "_constraint": keras.constraints.get,
}


def layer_class(name: str, layer_name: str) -> type[keras.Layer]:
    """The class that a file names, which must be one of Keras.

    Raises:
        ModelError: naming the layer, if the class is not part of Keras.
    """
    bare = name.rpartition(">")[2]
    found = getattr(keras.layers, bare, None) or _OTHER_NAMES.get(bare)
    if not (isinstance(found, type) and issubclass(found, keras.Layer)):
        raise ModelError(
            f"layer {layer_name!r} holds {bare!r}, which is not part of Keras, and "
            f"code from a file is never run. {BUILD_IT}"
        )
    return found


def make_layer(class_name: str, config: Config, name: str) -> keras.Layer:
    """A layer without weights yet.

    Args:
        class_name: its class in the file.
        config: its settings in the file.
        name: name of the layer in the model, without slashes.

    Raises:
        ModelError: naming the layer, its class and what Keras 3 does not take.
    """
    original = config.get("name", name)
    of = layer_class(class_name, original)
    settings = {**_converted(of, config), "name": name}
    try:
        if isinstance(config.get("layer"), Mapping):  # TimeDistributed and the like
            inner = config["layer"]
            settings["layer"] = make_layer(
                inner["class_name"], inner["config"], _plain(inner["config"]["name"])
            )
        with SafeModeScope(True):
            return of.from_config(settings)
    except (TypeError, ValueError, KeyError) as error:
        # Keras puts the whole config before the cause.
        cause = " ".join(str(error).rpartition("Exception encountered:")[2].split())
        raise ModelError(
            f"layer {original!r} ({class_name}) has settings that Keras "
            f"{keras.__version__} does not take: {cause[:200]}. {BUILD_IT}"
        ) from error


def policy(config: Config) -> str | None:
    """Name of the dtype or of the policy of a layer; None if it says none."""
    dtype = config.get("dtype")
    if isinstance(dtype, Mapping):
        dtype = dtype.get("config", {}).get("name")
    return dtype if isinstance(dtype, str) else None


def activation_name(config: Config) -> str | None:
    """Name of the activation of a layer; None if it has none, or one with settings."""
    activation = config.get("activation")
    if isinstance(activation, Mapping) and activation.get("class_name") == "function":
        activation = activation["config"]
    return activation if isinstance(activation, str) else None


def _converted(of: type[keras.Layer], config: Config) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    taken = inspect.signature(of).parameters
    for key, value in config.items():
        if key in _IDLE or (key in _IDLE_AT and value == _IDLE_AT[key]):
            keep = key == "groups" and issubclass(of, keras.layers.Conv2D)
            if not keep:
                continue
        if key == "groups" and issubclass(of, keras.layers.DepthwiseConv2D):
            continue  # Keras 2 stored it, but every channel is a group of its own
        ending = next((e for e in _ONLY_FOR_TRAINING if key.endswith(e)), None)
        if ending is None:
            settings[key] = _value(value)
        elif key in taken:
            settings |= _training_only(key, value, ending)
    activation = activation_name(config)
    if activation is not None:
        # Keras 3 computes another function under this name; see `_hard_sigmoid`.
        linear = activation == "hard_sigmoid"
        settings["activation"] = "linear" if linear else activation
    if "axis" in settings:
        settings["axis"] = _one_axis(settings["axis"])
    if of is keras.layers.BatchNormalization:
        settings.pop("synchronized", None)
    if "dtype" in settings:
        settings["dtype"] = policy(config)
    return settings


def _training_only(key: str, value: Any, ending: str) -> dict[str, Any]:
    """An initializer, regularizer or constraint, if Keras has it.

    The computation does not depend on them: weights come from the file.
    """
    if isinstance(value, Mapping) and isinstance(value.get("config"), Mapping):
        inner = {k: v for k, v in value["config"].items() if k != "dtype"}
        value = {"class_name": value.get("class_name"), "config": inner}
    try:
        with SafeModeScope(True):
            return {key: _ONLY_FOR_TRAINING[ending](value)}
    except Exception:
        # Whatever a class of another package is, Keras has its default for it.
        return {}


def _value(value: Any) -> Any:
    """A value that Keras 2 wrote with its type, as a plain one."""
    if isinstance(value, Mapping) and value.get("type") == "ndarray":
        return value["value"]
    if isinstance(value, Mapping) and value.get("class_name") == "__tuple__":
        return tuple(_value(item) for item in value["items"])
    return value


def _one_axis(axis: Any) -> Any:
    if isinstance(axis, (list, tuple)) and len(axis) == 1:
        return int(axis[0])
    return axis


def _plain(name: str) -> str:
    return name.replace("/", "_")
