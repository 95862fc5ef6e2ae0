"""Digests of models and images, by which a cache knows what it was filled from."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

from segshrink.data import Part
from segshrink.errors import DatasetError
from segshrink.records import sha256_of


def model_digest(model: keras.Model) -> str:
    """Digest of the configuration and the weights of a model.

    Names do not count, since Keras numbers them by the models built before.
    """
    digest = hashlib.sha256(_nameless(model.get_config()).encode())
    for values in model.get_weights():
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def images_digest(part: Part) -> str:
    """Digest of the images of a part, without decoding them.

    Neither paths nor times count, so that a data set may be moved, copied or fetched
    again; each file is read once.

    Raises:
        DatasetError: if a file cannot be read.
    """
    digest = hashlib.sha256()
    contents: dict[Path, str] = {}
    for image in part:
        paths = image.image_paths
        if not paths:
            # By default NumPy abbreviates long arrays by dots.
            with np.printoptions(threshold=sys.maxsize):
                stamp = repr(image)
        else:
            for path in set(paths) - set(contents):
                contents[path] = _content(path)
            content = " ".join(contents[path] for path in paths)
            stamp = f"{image.name} {image.height_px}x{image.width_px} {content}"
            if image.bands is not None:
                stamp += f" {image.bands.shown()}"
        digest.update(stamp.encode())
    return digest.hexdigest()


def _content(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error}). Put it back, or open the data set "
            "again."
        ) from error


def _nameless(config: Any) -> str:
    """The configuration as JSON, with names replaced by numbers in their order."""
    numbers: dict[str, str] = {}

    def number(value: Any) -> None:
        if isinstance(value, dict):
            name = value.get("name")
            if isinstance(name, str):
                numbers.setdefault(name, f"#{len(numbers)}")
            value = list(value.values())
        if isinstance(value, list | tuple):
            for each in value:
                number(each)

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            # A frozen teacher computes the same.
            return {k: renamed(v) for k, v in value.items() if k != "trainable"}
        if isinstance(value, list | tuple):
            return [renamed(each) for each in value]
        return numbers.get(value, value) if isinstance(value, str) else value

    number(config)
    return json.dumps(renamed(config), sort_keys=True, default=str)
