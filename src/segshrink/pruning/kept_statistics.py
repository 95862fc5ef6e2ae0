"""Normalizations that leave the removed channels out of their means.

A smaller model computes mean and variance over the channels that are left. These layers
do the same in a model of the old shapes, where zeros would count as values. They occur
only in models that `PruningPlan.zero` returns, never in a model that is kept.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


class _KeptChannels(keras.layers.Layer):
    """Adds `kept`, one bool per channel, to a normalization over one axis."""

    def __init__(self, *, kept: Sequence[bool], **settings: Any) -> None:
        super().__init__(**settings)
        self.kept = list(kept)

    def get_config(self) -> dict[str, Any]:
        """Arguments that rebuild this layer."""
        return {**super().get_config(), "kept": self.kept}

    def _along_axis(self, vector: Any, rank: int) -> Any:
        axis = int(np.ravel(self.axis)[0])
        shape = [1] * rank
        shape[axis] = -1
        return ops.reshape(vector, shape)

    def call(self, inputs: Any) -> Any:
        """Normalize `(batch, ..., channels)`, in float32 at least as Keras does."""
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        outputs = self._normalized(ops.cast(inputs, dtype))
        return ops.cast(outputs, self.compute_dtype)

    def _normalized(self, inputs: Any) -> Any:
        raise NotImplementedError

    def _mask(self, like: Any) -> Any:
        mask = ops.convert_to_tensor(self.kept, like.dtype)
        return self._along_axis(mask, len(like.shape))

    def _scaled(self, values: Any, gamma: Any, beta: Any) -> Any:
        rank = len(values.shape)
        if gamma is not None:
            values = values * self._along_axis(ops.cast(gamma, values.dtype), rank)
        if beta is not None:
            values = values + self._along_axis(ops.cast(beta, values.dtype), rank)
        return values


class KeptLayerNormalization(_KeptChannels, keras.layers.LayerNormalization):
    """LayerNormalization over the kept channels; the others become `beta`."""

    def _normalized(self, inputs: Any) -> Any:
        mask = self._mask(inputs)
        mean, inverse = _moments(inputs, mask, self.axis, self.epsilon)
        normalized = (inputs - mean) * mask * inverse
        return self._scaled(normalized, self.gamma, self.beta)


class KeptRMSNormalization(_KeptChannels, keras.layers.RMSNormalization):
    """RMSNormalization over the kept channels; the others become 0."""

    def _normalized(self, inputs: Any) -> Any:
        mask = self._mask(inputs)
        squares = ops.sum(ops.square(inputs) * mask, axis=self.axis, keepdims=True)
        mean = squares / float(sum(self.kept))
        normalized = inputs * mask * ops.rsqrt(mean + self.epsilon)
        return self._scaled(normalized, self.scale, None)


class KeptUnitNormalization(_KeptChannels, keras.layers.UnitNormalization):
    """UnitNormalization over the kept channels; the others become 0."""

    def _normalized(self, inputs: Any) -> Any:
        return keras.layers.UnitNormalization.call(self, inputs * self._mask(inputs))


class KeptGroupNormalization(_KeptChannels, keras.layers.GroupNormalization):
    """GroupNormalization over the kept channels of each group."""

    def _normalized(self, inputs: Any) -> Any:
        rank, axis = len(inputs.shape), self.axis % len(inputs.shape)
        mask = ops.broadcast_to(self._mask(inputs), ops.shape(inputs[:1]))
        values, mask = (
            self._reshape_into_groups(inputs),
            self._reshape_into_groups(mask),
        )
        # The group axis takes the place of the channel axis.
        over = [place for place in range(1, rank + 1) if place != axis]
        mean, inverse = _moments(values, mask, over, self.epsilon)
        normalized = ops.reshape((values - mean) * mask * inverse, ops.shape(inputs))
        return self._scaled(normalized, self.gamma, self.beta)


def _moments(values: Any, mask: Any, axis: Any, epsilon: float) -> tuple[Any, Any]:
    """Mean, and 1 / standard deviation, of the values that the mask keeps."""
    count = ops.sum(mask, axis=axis, keepdims=True)
    mean = ops.sum(values * mask, axis=axis, keepdims=True) / count
    squares = ops.square(values - mean) * mask
    variance = ops.sum(squares, axis=axis, keepdims=True) / count
    return mean, ops.rsqrt(variance + epsilon)


KEPT_STATISTICS = {
    keras.layers.LayerNormalization: KeptLayerNormalization,
    keras.layers.RMSNormalization: KeptRMSNormalization,
    keras.layers.UnitNormalization: KeptUnitNormalization,
    keras.layers.GroupNormalization: KeptGroupNormalization,
}
