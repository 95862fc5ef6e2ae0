"""Base of losses over labelled pixels: void, dtypes and class weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from segshrink.data.classes import IGNORE_INDEX


@dataclass(frozen=True)
class Pixels:
    """Labels and predictions of a batch, as every loss over pixels needs them.

    Classes are the first axis: on a CPU, sums over a few numbers that lie side by side
    in memory take several times as long as sums over a few whole arrays.

    Attributes:
        labels: int32 `(batch, height, width)`, a class index; void pixels hold 0.
        one_hot: float32 `(classes, batch, height, width)`, of `labels`.
        weights: float32 `(batch, height, width)`, weight of each pixel; 0 where it is
            void, so that shapes stay static.
        log_probabilities: float32, same shape as `one_hot`, of the softmax.
    """

    labels: Any
    one_hot: Any
    weights: Any
    log_probabilities: Any

    @property
    def cross_entropy(self) -> Any:
        """Minus the log-probability of each pixel's class, `(batch, height, width)`."""
        return -ops.sum(self.one_hot * self.log_probabilities, axis=0)

    def mean(self, values: Any, class_weights: Sequence[float] | None) -> Any:
        """Mean of `values` over pixels, each weighted by itself and by its class.

        The sum is divided by the sum of the weights, as in PyTorch's
        `CrossEntropyLoss`; without a weighted pixel the mean is 0.

        Args:
            values: float32 `(batch, height, width)`.
            class_weights: one factor per class, or None for 1 everywhere.

        Returns:
            float32 scalar.
        """
        weights = self.weights
        if class_weights is not None:
            factors = ops.convert_to_tensor(class_weights, dtype="float32")
            weights = weights * ops.take(factors, self.labels)
        return ops.sum(values * weights) / one_if_zero(ops.sum(weights))


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
        return self.of_pixels(self.pixels(y_true, y_pred, sample_weight))

    def pixels(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Pixels:
        """The pixels of one batch, which other losses may share."""
        logits = ops.cast(y_pred, "float32")
        labels = _without_channel_axis(ops.cast(y_true, "int32"), logits)
        self._check_shapes(labels.shape, logits.shape)
        valid = ops.not_equal(labels, IGNORE_INDEX)
        weights = ops.cast(valid, "float32")
        if sample_weight is not None:
            weights = weights * self._per_pixel(sample_weight, labels.shape)
        labels = ops.where(valid, labels, 0)
        return Pixels(
            labels,
            ops.one_hot(labels, logits.shape[-1], axis=0),
            weights,
            _log_softmax(ops.transpose(logits, (3, 0, 1, 2))),
        )

    def of_pixels(self, pixels: Pixels) -> Any:
        """Loss of one batch from its pixels, a float32 scalar.

        Raises:
            ValueError: if there is not one class weight per class.
        """
        classes = pixels.one_hot.shape[0]
        if self.class_weights is not None and len(self.class_weights) != classes:
            raise ValueError(
                f"{self.name}: class_weights must hold one factor per class, got "
                f"{len(self.class_weights)} factors for {classes} classes."
            )
        return self.value(pixels)

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

    def value(self, pixels: Pixels) -> Any:
        """Loss of the pixels of one batch, a float32 scalar."""
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


def shapes_fit(one: tuple, other: tuple) -> bool:
    """Whether two shapes agree where both are known, as the batch size may not be."""
    return len(one) == len(other) and all(
        a == b for a, b in zip(one, other, strict=True) if a and b
    )


def _log_softmax(logits: Any) -> Any:
    """Logarithm of the softmax over the first axis."""
    # `ops.log_softmax` is for the last axis, and takes ten times as long on a CPU.
    shifted = logits - ops.stop_gradient(ops.max(logits, axis=0))
    return shifted - ops.log(ops.sum(ops.exp(shifted), axis=0))


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
