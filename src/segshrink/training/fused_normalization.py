"""Batch normalization as one operation in the steps of a training run.

Keras composes it of sums, means and products. TensorFlow and PyTorch run them one after
another, each over the whole array: a good part of a step of a small network on a CPU.
The compiler of JAX fuses them by itself.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
from keras import ops


@contextmanager
def fused_normalization(models: Iterable[keras.Model]) -> Iterator[None]:
    """Let the batch normalization of the models take one operation in training.

    The results are those of Keras but for rounding. Only calls for training change, of
    images with channels last; on other backends than TensorFlow and PyTorch, nothing.

    Args:
        models: their layers, and those of models inside them, are changed until the
            context ends.
    """
    normalized = _NORMALIZED.get(keras.backend.backend())
    if normalized is None:
        yield
        return
    layers = _layers_of(models)
    for layer in layers:
        # An attribute of the object itself hides the method, and is never saved.
        vars(layer)["call"] = partial(_call, layer, normalized)
    try:
        yield
    finally:
        for layer in layers:
            del vars(layer)["call"]


def _layers_of(models: Iterable[keras.Model]) -> list[keras.layers.BatchNormalization]:
    layers = {id(x): x for model in models for x in model._flatten_layers()}
    return [
        layer
        for layer in layers.values()
        # A subclass, or who replaced the method, may mean something else by it.
        if type(layer) is keras.layers.BatchNormalization
        and "call" not in vars(layer)
        and not (layer.renorm or layer.synchronized)
    ]


def _call(
    layer: keras.layers.BatchNormalization,
    normalized: Callable[..., tuple[Any, Any, Any]],
    inputs: Any,
    training: bool | None = None,
    mask: Any = None,
) -> Any:
    """`layer.call`, in one operation where that does the same."""
    trains = training and layer.trainable and mask is None
    if not trains or not _is_fusible(layer, inputs):
        return type(layer).call(layer, inputs, training=training, mask=mask)
    channels = layer.moving_mean.shape
    outputs, mean, variance = normalized(
        # As Keras, which computes it in float32 in models of fewer bits too.
        ops.cast(inputs, "float32"),
        layer.gamma.value if layer.scale else ops.ones(channels),
        layer.beta.value if layer.center else ops.zeros(channels),
        layer.epsilon,
    )
    # Both libraries estimate the variance of the population, Keras takes the sample's.
    pixels = ops.cast(ops.size(inputs) // channels[0], "float32")
    variance = variance * (pixels - 1) / pixels
    for moving, new in [(layer.moving_mean, mean), (layer.moving_variance, variance)]:
        moving.assign(moving * layer.momentum + new * (1.0 - layer.momentum))
    return ops.cast(outputs, layer.compute_dtype)


def _is_fusible(layer: keras.layers.BatchNormalization, inputs: Any) -> bool:
    kind = keras.backend.standardize_dtype(inputs.dtype)
    return (
        len(inputs.shape) == 4
        and layer.axis in (-1, 3)
        and kind in ("float32", "bfloat16", "float16")
        # The variance of a single pixel cannot be estimated.
        and tuple(inputs.shape[:3]) != (1, 1, 1)
    )


def _on_tensorflow(
    images: Any, scale: Any, offset: Any, epsilon: float
) -> tuple[Any, Any, Any]:
    import tensorflow as tf

    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=images,
        scale=scale,
        offset=offset,
        mean=[],
        variance=[],
        epsilon=epsilon,
        is_training=True,
    )
    return outputs, mean, variance


def _on_torch(
    images: Any, scale: Any, offset: Any, epsilon: float
) -> tuple[Any, Any, Any]:
    import torch

    # It moves both toward those of the batch: with a momentum of 1, all the way.
    mean, variance = torch.zeros_like(scale), torch.ones_like(scale)
    outputs = torch.nn.functional.batch_norm(
        images.permute(0, 3, 1, 2),
        mean,
        variance,
        scale,
        offset,
        training=True,
        momentum=1.0,
        eps=epsilon,
    )
    return outputs.permute(0, 2, 3, 1), mean, variance


_NORMALIZED = {"tensorflow": _on_tensorflow, "torch": _on_torch}
