"""Computation of a model call by call, with a hook before each call."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from segshrink.errors import UsageError
from segshrink.models.calls import arguments_in_inference, calls, run_calls

Batches = list[np.ndarray]
"""One tensor over all images, one entry per batch."""

Visit = Callable[[str, Any, Batches], None]
"""Receives the path of a layer, the layer and its first input, before each call."""


def in_batches(model: keras.Model, images: np.ndarray, batch_size: int) -> Batches:
    """Images as the model takes them, cut into batches; the last may be shorter.

    Raises:
        UsageError: if there are no images, or they do not fit the model.
    """
    if len(model.inputs) != 1:
        raise UsageError(
            f"{model.name}: a model of one input is needed, got {len(model.inputs)}."
        )
    if batch_size < 1:
        raise UsageError(f"batch_size must be at least 1, got {batch_size}.")
    wanted, images = tuple(model.inputs[0].shape[1:]), np.asarray(images)
    if len(images.shape) != len(wanted) + 1 or not _fits(images.shape[1:], wanted):
        raise UsageError(
            f"images for {model.name} must have shape (images, "
            f"{', '.join(map(str, wanted))}), got {images.shape}. Cut them to size."
        )
    if len(images) == 0:
        raise UsageError(f"images for {model.name} must be at least one, got none.")
    images = images.astype(model.inputs[0].dtype)
    return [images[i : i + batch_size] for i in range(0, len(images), batch_size)]


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return all(size in (None, found) for found, size in zip(shape, wanted, strict=True))


def run(model: keras.Model, batches: Batches, visit: Visit) -> list[Batches]:
    """Outputs of a model in inference, with each call computed for all batches.

    Tensors are held in main memory until the last call that consumes them is done. The
    most that is held at once is, for an encoder and decoder, the features that wait
    to be concatenated, and input and output of one layer, for all images.

    Args:
        model: Functional or Sequential; models nested in it are entered.
        batches: the model's input.
        visit: called before each call of a layer or operation.
    """

    def compute(path: str, node: Any, inputs: list[Batches]) -> list[Batches]:
        visit(path, node.operation, inputs[0])
        return _call_in_batches(node, inputs)

    return run_calls(model, [batches], compute)


def _call_in_batches(node: Any, inputs: list[Batches]) -> list[Batches]:
    """Call an operation for each batch; one entry per output."""
    found: list[Batches] = [[] for _ in node.outputs]
    for values in zip(*inputs, strict=True):
        tensors = [keras.ops.convert_to_tensor(value) for value in values]
        arguments, keywords = arguments_in_inference(node, tensors)
        outputs = keras.tree.flatten(node.operation(*arguments, **keywords))
        for batches, output in zip(found, outputs, strict=True):
            batches.append(keras.ops.convert_to_numpy(output))
    return found


def called_once(model: keras.Model) -> dict[str, keras.Operation]:
    """Layers and operations that are called once, by path."""
    counts = Counter(id(node.operation) for _, node, _ in calls(model))
    return {
        path: node.operation
        for path, node, _ in calls(model)
        if counts[id(node.operation)] == 1
    }
