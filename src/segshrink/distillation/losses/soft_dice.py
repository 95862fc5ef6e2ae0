"""Soft Dice between the probabilities of teacher and student."""

from typing import Any

import keras
from keras import ops

from segshrink.distillation.losses.masked_loss import MaskedLoss
from segshrink.distillation.losses.pixel_kl import log_probabilities
from segshrink.objectives.pixel_loss import one_if_zero


@keras.saving.register_keras_serializable("segshrink")
class SoftDice(MaskedLoss):
    """One minus Dice of each class between the probabilities of teacher and student.

    loss = mean over classes c of sum |t_c - s_c| / sum (t_c + s_c), where t and s are
    the softmax of the logits, sums are over the valid pixels of the whole batch, and
    the classes are those that the teacher finds likeliest at a valid pixel. A class of
    few pixels counts as much as one of many, as in mean IoU, unlike in a divergence per
    pixel; and unlike the product in the usual Dice, the absolute difference is least
    where the student is as confident as its teacher, not where it is more so.
    Reference: Wang and others, Dice Semimetric Losses: Optimizing the Dice Score with
    Soft Labels, 2023.
    """

    name = "soft_dice"
    pixel_weights = True
    logits_only = True

    def value(self, teacher: Any, student: Any, weights: Any) -> Any:
        """See `MaskedLoss.value`."""
        if teacher.shape[-1] == 1:
            # The other class may be the likeliest, so it is added first.
            teacher = ops.concatenate([ops.zeros_like(teacher), teacher], axis=-1)
        likeliest = teacher >= ops.max(teacher, axis=-1, keepdims=True)
        teacher, student = (
            ops.exp(log_probabilities(x, 1.0)) for x in (teacher, student)
        )
        totals = _over_pixels(teacher + student, weights)
        differences = _over_pixels(ops.abs(teacher - student), weights)
        present = ops.cast(
            _over_pixels(ops.cast(likeliest, "float32"), weights) > 0, "float32"
        )
        losses = differences / one_if_zero(totals)
        return ops.sum(present * losses) / one_if_zero(ops.sum(present))


def _over_pixels(maps: Any, weights: Any) -> Any:
    """Weighted sums of `(batch, height, width, classes)`, `(classes,)`."""
    rows = ops.reshape(weights, (1, -1))
    # A product of matrices sums over pixels several times faster than a reduction.
    return ops.matmul(rows, ops.reshape(maps, (-1, maps.shape[-1])))[0]
