"""Digests of models and images, by which a cache knows what it was filled from."""

import hashlib
import json
import sys
from typing import Any

import keras
import numpy as np

from segshrink.data import Part
from segshrink.errors import DatasetError


def model_digest(model: keras.Model) -> str:
    """Digest of the configuration and the weights of a model.

    Names do not count, since Keras numbers them by the models built before.
    """
    digest = hashlib.sha256(_nameless(model.get_config()).encode())
    for values in model.get_weights():
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def images_digest(part: Part) -> str:
    """Digest of the images of a part, without decoding them."""
    digest = hashlib.sha256()
    for image in part:
        # By default NumPy abbreviates long arrays by dots.
        with np.printoptions(threshold=sys.maxsize):
            stamp = repr(image)
        if image.image_path is not None:
            # The path does not count, so that a data set may be moved.
            try:
                stat = image.image_path.stat()
            except OSError as error:
                raise DatasetError(
                    f"{image.image_path}: cannot be read ({error}). Put it back, or "
                    "open the data set again."
                ) from error
            size = f"{image.height_px}x{image.width_px}"
            stamp = f"{image.name} {size} {stat.st_size} {stat.st_mtime_ns}"
            if image.bands is not None:
                stamp += f" {image.bands.shown()}"
        digest.update(stamp.encode())
    return digest.hexdigest()


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
