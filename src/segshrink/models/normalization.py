"""Batch normalization of all models here."""

from typing import Any

from keras import layers

# The default of Keras, 0.99, keeps initial values for some 500 steps, which is most of
# a short run: validation uses the running statistics and would lag behind training.
_MOMENTUM = 0.9


def batch_normalization(x: Any, name: str) -> Any:
    """Normalize `x` over the batch; in inference by running statistics."""
    return layers.BatchNormalization(momentum=_MOMENTUM, name=name)(x)
