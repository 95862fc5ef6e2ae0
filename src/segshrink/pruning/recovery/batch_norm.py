"""Re-estimation of the moving statistics of BatchNormalization."""

from typing import Any

import keras
import numpy as np

from segshrink.errors import ModelError
from segshrink.models import copy_model
from segshrink.pruning.forward import Batches, called_once, in_batches, run


def reestimate_batch_norm(
    model: keras.Model, images: np.ndarray, *, batch_size: int = 8
) -> keras.Model:
    """Set the moving statistics of BatchNormalization to those over some images.

    Mean and variance are those of each layer's input over all pixels of all images,
    one layer after the other: the input of each is computed with the new statistics of
    the ones before it, as in inference. A forward pass in training mode would
    normalize by each batch instead and give other statistics from the second layer on.
    The result does not depend on `batch_size` or on the order of the images.
    Reference: Li, Wu, Su, Wang, EagleEye: Fast Sub-net Evaluation for Efficient Neural
    Network Pruning, 2020 (there as a moving average over batches).

    All images pass through the model together. Held in main memory at a time are the
    tensors that are still to be consumed: for a U-Net of 16 filters and tiles of 256
    pixels, about 25 MB an image.

    Args:
        model: Functional or Sequential, also with nested models; it is not changed.
        images: array `(images, *input shape)`, as the model takes them.
        batch_size: images that a layer computes at a time.

    Returns:
        A plain copy of the model with other statistics. A layer that is called several
        times keeps its own.

    Raises:
        UsageError: if there are no images, or they do not fit the model.
        ModelError: if the model is not Functional or Sequential, or has no
            BatchNormalization.
    """
    recovered = copy_model(model)
    alone = called_once(recovered)
    if not any(isinstance(layer, _NORMALIZATION) for layer in alone.values()):
        raise ModelError(
            f"{model.name}: a BatchNormalization is needed that is called once, but it "
            "has none. There are no statistics to estimate again."
        )

    def visit(path: str, layer: Any, inputs: Batches) -> None:
        if path in alone and isinstance(layer, _NORMALIZATION):
            _set_statistics(layer, inputs)

    run(recovered, in_batches(model, images, batch_size), visit)
    return recovered


_NORMALIZATION = keras.layers.BatchNormalization


def _set_statistics(layer: Any, inputs: Batches) -> None:
    """Mean and population variance, in two passes so that no digits cancel."""
    batches = [_by_channel(values, layer.axis) for values in inputs]
    count = sum(len(values) for values in batches)
    mean = sum(values.sum(axis=0, dtype=np.float64) for values in batches) / count
    squares = sum(((values - mean) ** 2).sum(axis=0) for values in batches)
    layer.moving_mean.assign(mean)
    layer.moving_variance.assign(squares / count)


def _by_channel(values: np.ndarray, axis: int) -> np.ndarray:
    """Values as `(pixels, channels)`."""
    return np.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])
