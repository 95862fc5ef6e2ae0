"""Attention transfer: spatial maps of activity of teacher and student."""

from typing import Any

import keras
from keras import ops

from segshrink.distillation.losses.masked_loss import MaskedLoss
from segshrink.objectives.pixel_loss import one_if_zero


@keras.saving.register_keras_serializable("segshrink")
class AttentionTransfer(MaskedLoss):
    """Squared distance of the normalized maps of activity.

    loss = |a_t / |a_t| - a_s / |a_s||^2 with a = mean over channels of f^2 at each
    valid cell of an image; then the mean over images. In [0, 2]. The numbers of
    channels may differ.
    Reference: Zagoruyko, Komodakis, Paying More Attention to Attention, 2017.

    Args:
        teacher_layer_name: see `MaskedLoss`.
        student_layer_name: see `MaskedLoss`.
    """

    name = "attention_transfer"
    any_channels = True

    def value(self, teacher: Any, student: Any, weights: Any) -> Any:
        """See `MaskedLoss.value`."""
        difference = _attention(teacher, weights) - _attention(student, weights)
        return ops.sum(weights * ops.square(difference), axis=(1, 2))


def _attention(maps: Any, weights: Any) -> Any:
    activity = ops.mean(ops.square(maps), axis=-1)  # (batch, height, width)
    # Division by the maximum comes first: squares of squares can exceed float32.
    greatest = ops.stop_gradient(ops.max(activity, axis=(1, 2), keepdims=True))
    activity = activity / one_if_zero(greatest)
    norm = ops.sum(weights * ops.square(activity), axis=(1, 2), keepdims=True)
    return activity * ops.rsqrt(one_if_zero(norm))
