"""Why Keras cannot read a file, in one sentence that names the layer."""

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py

from segshrink.models.keras2 import BUILD_IT

_LONGEST_REASON = 160


def why(path: Path, error: Exception) -> str:
    """The fault of a file, and the remedy.

    Args:
        path: a `.keras`, `.h5` or `.hdf5` file.
        error: as Keras raised it. Its text begins with all settings of a layer or
            model, so that the cause is far behind.
    """
    text = " ".join(str(error).split())
    unknown = re.search(r"Could not locate (\w+) '([^']+)'|Unknown \w+: '(\w+)'", text)
    if unknown:
        name = unknown.group(2) or unknown.group(3)
        fault = f"{_where(path, name)}holds {name!r}, which is not part of Keras"
        return f"{fault}. {BUILD_IT}"
    cause = text.rpartition("Exception encountered: ")[2]
    # The class of the layer stands in its settings, but "lambda" in many other places.
    if "lambda" in cause.lower() or "`Lambda`" in text:
        return (
            f"{_where(path, 'Lambda')}holds a Lambda layer, which is Python code, and "
            f"code from a file is never run. {BUILD_IT}"
        )
    reason = cause[:_LONGEST_REASON] or type(error).__name__
    return f"cannot be read as a Keras model ({reason}). Save or train it again."


def _where(path: Path, class_name: str) -> str:
    """`layer 'NAME' `, if the file says which layer is of a class."""
    try:
        names = list(dict.fromkeys(_named(_config(path), class_name)))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return ""
    return f"layer {names[0]!r} " if names else ""


def _config(path: Path) -> Any:
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    with h5py.File(path, "r") as file:
        return json.loads(file.attrs["model_config"])


def _named(config: Any, class_name: str) -> Iterator[str]:
    """Names of all layers of a class, or that name it among their settings."""
    if isinstance(config, list):
        for each in config:
            yield from _named(each, class_name)
    if not isinstance(config, Mapping):
        return
    inner = config.get("config")
    if isinstance(inner, Mapping) and "layers" not in inner and "name" in inner:
        kind = str(config.get("class_name")).rpartition(">")[2]
        if kind == class_name or json.dumps(class_name) in json.dumps(inner):
            yield str(inner["name"])
            return
    for each in config.values():
        yield from _named(each, class_name)
