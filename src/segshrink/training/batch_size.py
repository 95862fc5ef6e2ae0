"""The number of tiles in a batch, where a recipe leaves it open."""

import math
from collections.abc import Iterable

import keras

from segshrink.errors import ModelError
from segshrink.models.calls import as_functional, nodes_in_order
from segshrink.recipe import TrainingSettings
from segshrink.training.checkpoint import stored_batch_size
from segshrink.training.context import TrainingContext
from segshrink.training.device_tiles import has_accelerator

_ON_PROCESSOR = 8
_MOST = 64
# Gradients and the workspace of convolutions take about as much again as the maps.
_SHARE_OF_MEMORY = 1 / 3
_UNKNOWN_MEMORY = 16e9
_BYTES_PER_VALUE = 4


def settled(
    settings: TrainingSettings, context: TrainingContext, models: Iterable[keras.Model]
) -> TrainingSettings:
    """Settings with a number where `batch_size` is auto.

    It is 8 on a processor. On an accelerator it is the largest power of two from 8 to
    64 with which the maps of all layers of all models, in float32, take at most a third
    of the memory (16 GB where that is unknown). `learning_rate` is multiplied by
    `sqrt(batch_size / 8)`. A run that resumes keeps the number that it began with,
    whatever the machine.

    Args:
        settings: of the training run; returned as they are if nothing is open.
        context: its folder is asked for a checkpoint, its progress told of the choice.
        models: the model that is trained and, if there is one, its teacher.

    Raises:
        RunFolderError: if the checkpoint is damaged.
    """
    if settings.batch_size != "auto":
        return settings
    size = stored_batch_size(context.folder)
    if size is None:
        size = _fitting(models) if has_accelerator() else _ON_PROCESSOR
    rate = settings.learning_rate * math.sqrt(size / _ON_PROCESSOR)
    context.progress.say(
        f"{context.label}: batches of {size} tiles, learning rate {rate:.3g}."
    )
    return settings.model_copy(update={"batch_size": size, "learning_rate": rate})


def validation_batch_size(batch_size: int) -> int:
    """Tiles that are validated at once, given those that are trained on at once.

    Without gradients, four times as many take no more memory, but on a processor
    nothing is gained by them.
    """
    if not has_accelerator():
        return batch_size
    return max(batch_size, min(_MOST, 4 * batch_size))


def _fitting(models: Iterable[keras.Model]) -> int:
    try:
        values = sum(_map_values(as_functional(model)) for model in models)
    except ModelError:
        return _ON_PROCESSOR
    fitting = int(_SHARE_OF_MEMORY * _device_bytes() / (_BYTES_PER_VALUE * values))
    power = 1 << max(fitting, 1).bit_length() - 1
    return min(max(power, _ON_PROCESSOR), _MOST)


def _map_values(model: keras.Model) -> int:
    """Values in the maps of all layers for one tile."""
    total = 0
    for node in nodes_in_order(model):
        if isinstance(node.operation, keras.Model):
            total += _map_values(as_functional(node.operation))
        else:
            total += sum(math.prod(x.shape[1:]) for x in node.outputs)
    return total


def _device_bytes() -> float:
    """Memory of the accelerator in bytes."""
    backend = keras.config.backend()
    if backend == "torch":
        import torch

        return float(torch.cuda.get_device_properties(0).total_memory)
    if backend == "jax":
        import jax

        memory = jax.devices()[0].memory_stats() or {}
        return float(memory.get("bytes_limit", _UNKNOWN_MEMORY))
    return _UNKNOWN_MEMORY
