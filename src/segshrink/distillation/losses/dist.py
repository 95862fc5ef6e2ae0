"""DIST: relations among classes and among pixels rather than exact probabilities."""

from typing import Any

import keras
from keras import ops

from segshrink.distillation.losses.masked_loss import (
    MaskedLoss,
    require_factor,
    require_positive,
)
from segshrink.distillation.losses.pixel_kl import log_probabilities
from segshrink.objectives.pixel_loss import one_if_zero

# Variances are at least this: the correlation with a constant is not defined, and its
# gradient would be infinite.
_LEAST_VARIANCE = 1e-8


@keras.saving.register_keras_serializable("segshrink")
class DIST(MaskedLoss):
    """One minus Pearson's correlation of probabilities, two ways.

    loss = T^2 * (inter * (1 - mean over pixels of r over classes)
                  + intra * (1 - mean over classes of r over pixels)),
    where r correlates the softmax(z / T) of teacher and student, pixels are the valid
    ones of the whole batch. The student need not be as confident as its teacher. Where
    one of them is constant, r is 0.
    Reference: Huang and others, Knowledge Distillation from A Stronger Teacher, 2022.

    The correlation over two classes is always 1 or -1, and teaches nothing: with two
    classes, or one channel, `inter` must be 0.

    Args:
        temperature: float > 0, dimensionless.
        inter: float >= 0, weight of the relations among classes.
        intra: float >= 0, weight of the relations among pixels.
        teacher_layer_name: see `MaskedLoss`.
        student_layer_name: see `MaskedLoss`.

    Raises:
        ValueError: if a number is out of range, or both weights are 0.
    """

    name = "dist"
    pixel_weights = True
    logits_only = True

    def __init__(
        self,
        temperature: float = 1.0,
        inter: float = 1.0,
        intra: float = 1.0,
        teacher_layer_name: str | None = None,
        student_layer_name: str | None = None,
    ) -> None:
        super().__init__(teacher_layer_name, student_layer_name)
        self.temperature = require_positive("temperature", temperature)
        self.inter = require_factor("inter", inter)
        self.intra = require_factor("intra", intra)
        if not (self.inter or self.intra):
            raise ValueError("inter and intra are both 0: nothing would be compared.")

    def value(self, teacher: Any, student: Any, weights: Any) -> Any:
        """See `MaskedLoss.value`."""
        require_relations(student.shape[-1], self.inter)
        teacher = ops.exp(log_probabilities(teacher, self.temperature))
        student = ops.exp(log_probabilities(student, self.temperature))
        total = ops.sum(weights)
        anything = ops.cast(total > 0, "float32")
        weights = ops.expand_dims(weights / one_if_zero(total), -1)
        loss = 0.0
        if self.inter:
            alike = correlation(teacher, student, 1 / teacher.shape[-1], -1)
            loss += self.inter * (1 - ops.sum(weights * alike))
        if self.intra:
            alike = correlation(teacher, student, weights, (0, 1, 2))
            loss += self.intra * (1 - ops.mean(alike))
        return self.temperature**2 * anything * loss

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            "temperature": self.temperature,
            "inter": self.inter,
            "intra": self.intra,
            **super().get_config(),
        }


def require_relations(classes: int, inter: float) -> None:
    """Raise `ValueError` if relations are used among too few classes."""
    if inter and classes < 3:
        raise ValueError(
            f"dist: the correlation over {classes} classes is always 1 or -1 and "
            "teaches nothing. Set inter to 0, or take pixel_kl."
        )


def correlation(one: Any, other: Any, weights: Any, axis: Any) -> Any:
    """Pearson's correlation along an axis, whose `weights` sum to 1; keeps the axis."""
    one = one - ops.sum(weights * one, axis=axis, keepdims=True)
    other = other - ops.sum(weights * other, axis=axis, keepdims=True)
    covariance = ops.sum(weights * one * other, axis=axis, keepdims=True)
    variances = [
        ops.maximum(ops.sum(weights * x * x, axis=axis, keepdims=True), _LEAST_VARIANCE)
        for x in (one, other)
    ]
    return covariance * ops.rsqrt(variances[0]) * ops.rsqrt(variances[1])
