"""Training over several devices of one machine, each with a share of every batch.

The result is that of one device with the same batch, up to rounding: losses, gradients
and the statistics of batch normalization are those of the whole batch.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import keras

from segshrink.errors import RecipeError, UsageError


def local_devices(devices: int) -> list[str]:
    """Names of the devices to train on, such as `["gpu:0", "gpu:1"]`.

    Args:
        devices: at least 1; 0 is all of this machine.

    Raises:
        UsageError: if the backend cannot divide a batch, or has fewer devices.
    """
    backend = keras.config.backend()
    if backend != "jax":
        # Keras 3.15 has a prototype of it for TensorFlow, and none for PyTorch.
        raise UsageError(
            "devices: training over several devices needs the JAX backend, but this is "
            f"{backend}. Set the environment variable KERAS_BACKEND=jax (pip install "
            "'segshrink[jax-cuda]' for NVIDIA GPUs), or train on one device."
        )
    names = [str(name) for name in keras.distribution.list_devices()]
    if devices > len(names):
        raise UsageError(
            f"devices: {devices} are asked for, but JAX has {len(names)} "
            f"({', '.join(names)}). Ask for at most {len(names)}; `segshrink doctor` "
            "shows what the backend sees."
        )
    return names[: devices or len(names)]


def require_devices(devices: int, batch_sizes: Iterable[int | str]) -> None:
    """Refuse a number of devices that training runs cannot be divided among.

    Args:
        devices: as for `local_devices`; 1 is always possible.
        batch_sizes: tiles of a step of each training run. A word, such as auto, is a
            size that is not known yet.

    Raises:
        UsageError: if the backend cannot divide a batch, or has fewer devices.
        RecipeError: if a batch cannot be divided evenly.
    """
    if devices == 1:
        return
    count = len(local_devices(devices))
    for size in batch_sizes:
        if isinstance(size, int) and size % count:
            more = size + count - size % count
            raise RecipeError(
                f"batch_size: must be a multiple of the {count} devices, got {size}. "
                f"Set it to {more}, or train on fewer devices."
            )


@contextmanager
def spread_over(devices: int, models: Iterable[keras.Model]) -> Iterator[list[str]]:
    """Divide batches among devices, and keep all variables on each of them.

    Args:
        devices: as for `local_devices`; 1 changes nothing.
        models: those that are trained or asked. What is built inside is kept on all
            devices anyway.

    Yields:
        Names of the devices; empty for one.
    """
    names = [] if devices == 1 else local_devices(devices)
    if len(names) < 2:
        yield []
        return
    distribution = keras.distribution.DataParallel(
        devices=names, auto_shard_dataset=False
    )
    variables = [x for model in models for x in (*model.variables, *_counters(model))]
    with distribution.scope():
        _place(variables, distribution)
        yield names
        # After an error, Keras on JAX has left some of them without a value.
        _place(variables, None)


def _counters(model: keras.Model) -> list[keras.Variable]:
    return [x for metric in model.metrics for x in metric.variables]


def _place(
    variables: Iterable[keras.Variable],
    distribution: keras.distribution.DataParallel | None,
) -> None:
    """Keep variables on all devices of a distribution, or on one again."""
    for variable in variables:
        value = keras.ops.convert_to_numpy(variable.value)
        # Keras gives a variable its layout when it is made, and models are made by
        # whoever trains them, long before the run knows its devices.
        variable._layout = distribution and distribution.get_variable_layout(variable)
        variable.assign(value)
