"""The backend of Keras and its devices."""

import json
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from segshrink.errors import first_line
from segshrink.quiet import quiet
from segshrink.records.examination import Backend, Device

_DEFAULT = "tensorflow"


def examined_backend() -> Backend:
    """Import the backend, and ask it for its devices."""
    name = chosen_backend()
    with quiet():
        # Whatever a broken installation raises is the finding.
        try:
            keras = import_module("keras")
            name = keras.config.backend()
            version = import_module(name).__version__
            devices = tuple(_DEVICES[name]())
        except Exception as error:
            return Backend(name=name, fault=fault_text(error))
    return Backend(name=name, keras=keras.__version__, version=version, devices=devices)


def chosen_backend() -> str:
    """Name of the backend that Keras will take, without importing it."""
    named = os.environ.get("KERAS_BACKEND")
    if named:
        return named
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    try:
        return str(json.loads((home / "keras.json").read_text())["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        return _DEFAULT


def fault_text(error: Exception) -> str:
    """Kind and first line of an error."""
    return f"{type(error).__name__}: {first_line(error)}"


def _tensorflow_devices() -> list[Device]:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    devices = [*gpus, *tf.config.list_physical_devices("TPU")]
    found = []
    for device in devices or tf.config.list_physical_devices("CPU"):
        details = tf.config.experimental.get_device_details(device)
        name = device.name.removeprefix("/physical_device:").lower()
        found.append(Device(name=name, kind=details.get("device_name", "")))
    return found


def _jax_devices() -> list[Device]:
    import jax

    return [
        Device(
            name=f"{device.platform}:{device.id}",
            kind=device.device_kind,
            # None where the platform does not count.
            memory_bytes=(device.memory_stats() or {}).get("bytes_limit"),
        )
        for device in jax.local_devices()
    ]


def _torch_devices() -> list[Device]:
    import torch

    if not torch.cuda.is_available():
        return [Device(name="cpu:0")]
    return [
        Device(
            name=f"cuda:{index}",
            kind=torch.cuda.get_device_name(index),
            memory_bytes=torch.cuda.get_device_properties(index).total_memory,
        )
        for index in range(torch.cuda.device_count())
    ]


_DEVICES: dict[str, Callable[[], list[Device]]] = {
    "tensorflow": _tensorflow_devices,
    "jax": _jax_devices,
    "torch": _torch_devices,
}
