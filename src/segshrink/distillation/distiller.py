"""A trainer that shows a student both the labels and a teacher's logits."""

from functools import partial
from typing import Any

import keras
from keras import ops

from segshrink.data import IGNORE_INDEX
from segshrink.distillation.pixel_kl import PixelKL, require_classes


class Distiller(keras.Model):
    """Trains `student` with labels and with what `teacher` says of the same images.

    loss = (1 - weight) * supervised + weight * distillation, both over the pixels that
    have a class. Both parts are logged. The teacher runs in inference mode and gets no
    gradient; only the student's weights change, and the student stays a plain model.

    Args:
        student: images to logits `(batch, height, width, classes)`; trained in place.
        teacher: images to logits of the same shape, at least two classes; left exactly
            as it is.
        supervised: loss of labels `(batch, height, width)` and student logits.
        distillation: loss of teacher logits, student logits and a `valid` mask.
        weight: share of the distillation loss, in [0, 1].

    Raises:
        ValueError: if the models differ in input or output shape, there is one class
            only, or `weight` is outside [0, 1].
    """

    def __init__(
        self,
        student: keras.Model,
        teacher: keras.Model,
        *,
        supervised: keras.losses.Loss,
        distillation: PixelKL,
        weight: float = 0.5,
    ) -> None:
        super().__init__(name="distiller")
        _check_pair(student, teacher, weight)
        self.student = student
        # Not the teacher itself: Keras would count its weights among those to train,
        # and marking them otherwise would change an object that is the caller's.
        self._teach = partial(teacher, training=False)
        self.supervised = supervised
        self.distillation = distillation
        self.weight = weight
        self.supervised_tracker = keras.metrics.Mean(name="supervised")
        self.distillation_tracker = keras.metrics.Mean(name="distillation")
        self.built = True

    def call(self, images: Any, training: bool | None = None) -> Any:
        """Logits of the student."""
        return self.student(images, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Weighted sum of both losses; `sample_weight` is refused, void masks."""
        if sample_weight is not None:
            raise ValueError(
                "Distiller takes no sample_weight: mark pixels that must not count "
                f"with label {IGNORE_INDEX}."
            )
        supervised = self.supervised(y, y_pred)
        teacher_logits = ops.stop_gradient(self._teach(x))
        labels = ops.reshape(ops.cast(y, "int32"), ops.shape(y_pred)[:-1])
        valid = ops.not_equal(labels, IGNORE_INDEX)
        distilled = self.distillation.compute_loss(teacher_logits, y_pred, valid=valid)
        self.supervised_tracker.update_state(supervised)
        self.distillation_tracker.update_state(distilled)
        return (1 - self.weight) * supervised + self.weight * distilled


def _check_pair(student: keras.Model, teacher: keras.Model, weight: float) -> None:
    if not 0 <= weight <= 1:
        raise ValueError(f"weight must lie in [0, 1], got {weight}.")
    for side in ("input_shape", "output_shape"):
        theirs, ours = getattr(teacher, side), getattr(student, side)
        if theirs != ours:
            raise ValueError(
                f"Teacher and student must have the same {side}, got {theirs} and "
                f"{ours}."
            )
    require_classes(student.output_shape[-1])
