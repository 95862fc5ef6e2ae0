"""Pixel-wise Kullback-Leibler divergence from teacher to student."""

from typing import Any

import keras
from keras import ops

from segshrink.distillation.losses.masked_loss import (
    MaskedLoss,
    require_positive,
)
from segshrink.objectives.pixel_loss import one_if_zero


@keras.saving.register_keras_serializable("segshrink")
class PixelKL(MaskedLoss):
    """Kullback-Leibler divergence from teacher to student, per pixel over classes.

    loss = T^2 * mean over valid pixels of sum_c p_t log(p_t / p_s), p = softmax(z / T).
    Logits of one channel are those of a sigmoid, which is the softmax over (0, z).
    Reference: Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network,
    2015.

    Args:
        temperature: float > 0, dimensionless. 1 is the plain softmax; larger is softer.
        teacher_layer_name: see `MaskedLoss`.
        student_layer_name: see `MaskedLoss`.

    Raises:
        ValueError: if `temperature` is not positive.
    """

    name = "pixel_kl"
    pixel_weights = True
    logits_only = True

    def __init__(
        self,
        temperature: float = 2.0,
        teacher_layer_name: str | None = None,
        student_layer_name: str | None = None,
    ) -> None:
        super().__init__(teacher_layer_name, student_layer_name)
        self.temperature = require_positive("temperature", temperature)

    def value(self, teacher: Any, student: Any, weights: Any) -> Any:
        """See `MaskedLoss.value`."""
        teacher_log = log_probabilities(teacher, self.temperature)
        student_log = log_probabilities(student, self.temperature)
        # A single sum is used, since sums over a few classes are slow.
        divergence = ops.sum(
            ops.expand_dims(weights, -1)
            * ops.exp(teacher_log)
            * (teacher_log - student_log)
        )
        return self.temperature**2 * divergence / one_if_zero(ops.sum(weights))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {"temperature": self.temperature, **super().get_config()}


def log_probabilities(logits: Any, temperature: float) -> Any:
    """Log-probabilities of the classes; one channel becomes two."""
    if logits.shape[-1] == 1:
        logits = ops.concatenate([ops.zeros_like(logits), logits], axis=-1)
    return ops.log_softmax(logits / temperature, axis=-1)
