"""Pixel-wise Kullback-Leibler divergence from teacher to student."""

import math
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
        ValueError: if the shapes do not fit together, there is one class only, or
            `temperature` is not positive.
    """
    require_positive(temperature)
    _check_shapes(teacher_logits, student_logits, valid)
    teacher = ops.cast(_without_void(teacher_logits, valid), "float32") / temperature
    student = ops.cast(_without_void(student_logits, valid), "float32") / temperature
    teacher_log = ops.log_softmax(teacher, axis=-1)
    student_log = ops.log_softmax(student, axis=-1)
    divergence = ops.sum(
        ops.exp(teacher_log) * (teacher_log - student_log), axis=-1
    )  # (batch, height, width)
    if valid is None:
        return temperature**2 * ops.mean(divergence)
    pixels = ops.sum(ops.cast(valid, "float32"))
    return temperature**2 * ops.sum(divergence) / ops.maximum(pixels, 1.0)


def _without_void(logits: Any, valid: Any) -> Any:
    # Equal logits diverge by exactly 0. They are replaced here rather than in the
    # result: there, the gradient at a void pixel with a NaN would be 0 * NaN = NaN.
    return logits if valid is None else ops.where(valid[..., None], logits, 0)


def require_positive(temperature: float) -> None:
    """Raise `ValueError` unless the temperature can divide logits."""
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be above 0, got {temperature}.")


def require_classes(num_classes: int) -> None:
    """Raise `ValueError` if there is nothing to choose between."""
    if num_classes == 1:
        raise ValueError(
            "The softmax over a single class is 1 everywhere and teaches nothing. "
            "Give the models two classes, or train without distillation."
        )


def _check_shapes(teacher_logits: Any, student_logits: Any, valid: Any) -> None:
    teacher, student = tuple(teacher_logits.shape), tuple(student_logits.shape)
    if not _fit(teacher, student):
        raise ValueError(
            "Teacher and student logits must have the same shape, got "
            f"{teacher} and {student}."
        )
    require_classes(student[-1])
    # A mask with a channel axis would broadcast into something else.
    if valid is not None and not _fit(tuple(valid.shape), student[:-1]):
        raise ValueError(
            f"valid must have the shape of the logits without classes, {student[:-1]}, "
            f"got {tuple(valid.shape)}."
        )


def _fit(one: tuple, other: tuple) -> bool:
    """Whether two shapes agree where both are known; the batch size may not be."""
    return len(one) == len(other) and all(
        a == b for a, b in zip(one, other, strict=True) if None not in (a, b)
    )


@keras.saving.register_keras_serializable("segshrink")
class PixelKL(DistillationLoss):
    """`pixel_kl` on the interface of `keras.distillation.DistillationLoss`.

    Args:
        temperature: float > 0, dimensionless.
    """

    def __init__(self, temperature: float = 2.0) -> None:
        require_positive(temperature)
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
