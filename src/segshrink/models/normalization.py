"""Batch normalization as all models here use it."""

from typing import Any

from keras import layers

# Keras's 0.99 remembers its start values for some 500 steps, which is most of a short
# run: validation, which uses the running statistics, would lag far behind training.
_MOMENTUM = 0.9


def batch_normalization(x: Any, name: str) -> Any:
    """Normalize `x` over the batch; in inference by running statistics."""
    return layers.BatchNormalization(momentum=_MOMENTUM, name=name)(x)
