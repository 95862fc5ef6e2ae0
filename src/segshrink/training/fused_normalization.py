"""Batch normalization as one operation of TensorFlow in the steps of a training run.

Keras composes it of sums, means and products, which TensorFlow runs one after another,
each over the whole array: half of the time of a step of a small network on a CPU.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras


@contextmanager
def fused_normalization(models: Iterable[keras.Model]) -> Iterator[None]:
    """Let the batch normalization of the models take one operation in training.

    The results are those of Keras but for rounding. Only calls for training change; on
    other backends, whose compilers fuse by themselves, nothing does.

    Args:
        models: their layers, and those of models inside them, are changed until the
            context ends.
    """
    layers = _layers_of(models) if keras.backend.backend() == "tensorflow" else []
    for layer in layers:
        # An attribute of the object itself hides the method, and is never saved.
        vars(layer)["call"] = partial(_call, layer)
    try:
        yield
    finally:
        for layer in layers:
            del vars(layer)["call"]


def _layers_of(
    models: Iterable[keras.Model],
) -> list[keras.layers.BatchNormalization]:
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
    inputs: Any,
    training: bool | None = None,
    mask: Any = None,
) -> Any:
    """`layer.call`; fused for float32 images with channels last."""
    trains = training and layer.trainable and mask is None
    if not trains or not _is_fusible(layer, inputs):
        return type(layer).call(layer, inputs, training=training, mask=mask)
    import tensorflow as tf

    channels = layer.moving_mean.shape
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=layer.gamma.value if layer.scale else tf.ones(channels),
        offset=layer.beta.value if layer.center else tf.zeros(channels),
        mean=[],
        variance=[],
        epsilon=layer.epsilon,
        is_training=True,
    )
    # The operation estimates the variance of the population, Keras takes the sample's.
    pixels = tf.cast(tf.size(inputs) // channels[0], tf.float32)
    variance *= (pixels - 1) / pixels
    for moving, new in [(layer.moving_mean, mean), (layer.moving_variance, variance)]:
        moving.assign(moving * layer.momentum + new * (1.0 - layer.momentum))
    return outputs


def _is_fusible(layer: keras.layers.BatchNormalization, inputs: Any) -> bool:
    is_image = len(inputs.shape) == 4 and layer.axis in (-1, 3)
    return is_image and inputs.dtype == "float32"
