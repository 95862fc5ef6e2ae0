"""Pixel-wise Kullback-Leibler divergence from teacher to student."""

from typing import Any

import keras
from keras import ops
from keras.distillation import DistillationLoss


def pixel_kl(
    teacher_logits: Any,
    student_logits: Any,
    temperature: float = 1.0,
    valid: Any = None,
) -> Any:
    """Kullback-Leibler divergence from teacher to student, per pixel over classes.

    loss = T^2 * mean over valid pixels of sum_c p_t log(p_t / p_s), p = softmax(z / T).
    Reference: Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network,
    2015.

    Args:
        teacher_logits: float tensor `(batch, height, width, classes)`, unnormalized,
            at least two classes.
        student_logits: same shape as `teacher_logits`.
        temperature: float > 0, dimensionless. 1 is the plain softmax; larger is softer.
        valid: optional bool tensor `(batch, height, width)`; False pixels do not count.

    Returns:
        float32 scalar; 0 where no pixel is valid.

    Raises:
        ValueError: if the shapes differ, there is one class only, or `temperature` is
            not positive.
    """
    _check(tuple(teacher_logits.shape), tuple(student_logits.shape), temperature)
    teacher = ops.cast(teacher_logits, "float32") / temperature
    student = ops.cast(student_logits, "float32") / temperature
    teacher_log = ops.log_softmax(teacher, axis=-1)
    student_log = ops.log_softmax(student, axis=-1)
    divergence = ops.sum(
        ops.exp(teacher_log) * (teacher_log - student_log), axis=-1
    )  # (batch, height, width)
    if valid is None:
        return temperature**2 * ops.mean(divergence)
    # where() rather than a product, so that a NaN or infinity at a void pixel, in the
    # teacher's logits say, cannot reach the loss.
    counted = ops.where(valid, divergence, 0.0)
    pixels = ops.sum(ops.cast(valid, "float32"))
    return temperature**2 * ops.sum(counted) / ops.maximum(pixels, 1.0)


def _check(teacher: tuple, student: tuple, temperature: float) -> None:
    if temperature <= 0:
        raise ValueError(f"temperature must be above 0, got {temperature}.")
    if teacher != student:
        raise ValueError(
            "Teacher and student logits must have the same shape, got "
            f"{teacher} and {student}."
        )
    if teacher[-1] == 1:
        raise ValueError(
            "The softmax over a single class is 1 everywhere and teaches nothing. "
            "Give the models two classes, or train without distillation."
        )


@keras.saving.register_keras_serializable("segshrink")
class PixelKL(DistillationLoss):
    """`pixel_kl` on the interface of `keras.distillation.DistillationLoss`.

    Args:
        temperature: float > 0, dimensionless.
    """

    def __init__(self, temperature: float = 2.0) -> None:
        if temperature <= 0:
            raise ValueError(f"temperature must be above 0, got {temperature}.")
        self.temperature = temperature

    def compute_loss(
        self,
        teacher_outputs: Any,
        student_outputs: Any,
        valid: Any = None,
        **kwargs: Any,
    ) -> Any:
        """See `pixel_kl`; `valid` is the mask of pixels that count."""
        return pixel_kl(teacher_outputs, student_outputs, self.temperature, valid)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {"temperature": self.temperature}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "PixelKL":
        """The loss that `get_config` described."""
        return cls(**config)
