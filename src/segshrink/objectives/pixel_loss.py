"""Base of losses over labelled pixels: void, dtypes and class weights."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from segshrink.data.classes import IGNORE_INDEX


class PixelLoss(keras.losses.Loss):
    """Base of the losses that compare class labels with logits, pixel by pixel.

    A subclass implements `value`. Its result is already a mean over the pixels that
    have a class, so there is no `reduction` to choose. A pixel with a `sample_weight`
    of 2 counts as two pixels, one with 0 as void; unlike in Keras's own losses the sum
    is divided by the sum of the weights.

    Args:
        class_weights: optional factors >= 0, one per class, dimensionless. None counts
            all classes alike.
        name: the name under which training reports this loss.

    Input shape:
        y_true: labels of any integer or float dtype, `(batch, height, width)` or with
            a trailing axis of 1; a class index, or 255 for void.
        y_pred: logits `(batch, height, width, classes)`, any float dtype; the loss is
            computed in float32.

    Output shape:
        float32 scalar. 0, with zero gradient, for a batch that is all void.
    """

    def __init__(self, class_weights: Sequence[float] | None, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.class_weights = checked_class_weights(class_weights)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """See the class; `sample_weight` is `(batch,)` or `(batch, height, width)`."""
        return self.call(y_true, y_pred, sample_weight)

    def call(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Loss of one batch, see the class."""
        logits = ops.cast(y_pred, "float32")
        labels = _without_channel_axis(ops.cast(y_true, "int32"), logits)
        self._check_shapes(labels.shape, logits.shape)
        valid = ops.not_equal(labels, IGNORE_INDEX)
        weights = ops.cast(valid, "float32")
        if sample_weight is not None:
            weights = weights * self._per_pixel(sample_weight, labels.shape)
        # Void pixels count as class 0 with weight 0, so that shapes stay static.
        return self.value(ops.where(valid, labels, 0), weights, logits)

    def _per_pixel(self, sample_weight: Any, labels: tuple) -> Any:
        sample_weight = ops.cast(sample_weight, "float32")
        shape = tuple(sample_weight.shape)
        if not (shapes_fit(shape, labels[:1]) or shapes_fit(shape, labels)):
            raise ValueError(
                f"{self.name}: sample_weight must be (batch,) or (batch, height, "
                f"width) for labels {tuple(labels)}, got {shape}."
            )
        if len(shape) == 1:
            sample_weight = ops.reshape(sample_weight, (-1, 1, 1))
        return sample_weight

    def value(self, labels: Any, weights: Any, logits: Any) -> Any:
        """Loss of one batch.

        Args:
            labels: int32 `(batch, height, width)`, a class index everywhere; void
                pixels hold 0.
            weights: float32 `(batch, height, width)`, weight of each pixel; 0 where it
                is void.
            logits: float32 `(batch, height, width, classes)`.

        Returns:
            float32 scalar.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        weights = self.class_weights
        return {
            "class_weights": None if weights is None else list(weights),
            "name": self.name,
        }

    def _check_shapes(self, labels: tuple, logits: tuple) -> None:
        if not shapes_fit(labels, logits[:-1]):
            raise ValueError(
                f"{self.name}: labels (batch, height, width) must match logits (batch, "
                f"height, width, classes), got {tuple(labels)} and {tuple(logits)}."
            )
        if self.class_weights is not None and len(self.class_weights) != logits[-1]:
            raise ValueError(
                f"{self.name}: class_weights must hold one factor per class, got "
                f"{len(self.class_weights)} factors for {logits[-1]} classes."
            )


def shapes_fit(one: tuple, other: tuple) -> bool:
    """Whether two shapes agree where both are known, as the batch size may not be."""
    return len(one) == len(other) and all(
        a == b for a, b in zip(one, other, strict=True) if a and b
    )


def pixel_cross_entropy(labels: Any, logits: Any) -> Any:
    """Minus the log-probability of each pixel's class.

    On the CPU, logsumexp minus the gathered logit takes less time, forward and
    backward, than TensorFlow's fused sparse operation or a one-hot product.

    Args:
        labels: int `(batch, height, width)`, a class index everywhere.
        logits: float32 `(batch, height, width, classes)`.

    Returns:
        float32 `(batch, height, width)`, in nats.
    """
    chosen = ops.take_along_axis(logits, ops.expand_dims(labels, -1), axis=-1)
    return ops.logsumexp(logits, axis=-1) - ops.squeeze(chosen, axis=-1)


def pixel_mean(
    values: Any, labels: Any, weights: Any, class_weights: Sequence[float] | None
) -> Any:
    """Mean of `values` over pixels, each weighted by itself and by its class.

    The sum is divided by the sum of the weights, as in PyTorch's `CrossEntropyLoss`;
    without a weighted pixel the mean is 0.

    Args:
        values: float32 `(batch, height, width)`.
        labels: int32, same shape, a class index everywhere.
        weights: float32, same shape, 0 for void.
        class_weights: one factor per class, or None for 1 everywhere.

    Returns:
        float32 scalar.
    """
    if class_weights is not None:
        factors = ops.convert_to_tensor(class_weights, dtype="float32")
        weights = weights * ops.take(factors, labels)
    return ops.sum(values * weights) / one_if_zero(ops.sum(weights))


def one_if_zero(total: Any) -> Any:
    """A divisor that turns 0 / 0 into 0, in the value and in the gradient."""
    return ops.where(total > 0, total, ops.ones_like(total))


def checked_class_weights(
    class_weights: Sequence[float] | None,
) -> tuple[float, ...] | None:
    """Return `class_weights` as plain floats.

    Raises:
        ValueError: unless they are finite, >= 0 and not all 0.
    """
    if class_weights is None:
        return None
    weights = tuple(float(weight) for weight in class_weights)
    if not any(weights) or not all(0 <= weight < math.inf for weight in weights):
        raise ValueError(
            "class_weights must be finite, at least 0 and not all 0, got "
            f"{list(weights)}."
        )
    return weights


def _without_channel_axis(labels: Any, logits: Any) -> Any:
    has_channel = len(labels.shape) == len(logits.shape) and labels.shape[-1] == 1
    return ops.squeeze(labels, axis=-1) if has_channel else labels
