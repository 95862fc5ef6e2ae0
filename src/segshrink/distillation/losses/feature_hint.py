"""Feature hints: squared difference of features."""

from typing import Any

import keras
from keras import ops

from segshrink.distillation.losses.masked_loss import MaskedLoss
from segshrink.objectives.pixel_loss import one_if_zero


@keras.saving.register_keras_serializable("segshrink")
class FeatureHint(MaskedLoss):
    """Squared difference of features, relative to the teacher's.

    loss = sum (f_t - f_s)^2 / sum f_t^2, over the channels of the valid cells. The
    paper has the sum alone; the division gives layers of any scale the same weight: the
    loss is 0 for a perfect student and 1 for features that are all 0. It is 0 where the
    teacher's features are all 0.
    Reference: Romero and others, FitNets: Hints for Thin Deep Nets, 2015.

    Args:
        teacher_layer_name: see `MaskedLoss`.
        student_layer_name: see `MaskedLoss`.
    """

    name = "feature_hint"
    pixel_weights = True

    def value(self, teacher: Any, student: Any, weights: Any) -> Any:
        """See `MaskedLoss.value`."""
        weights = ops.expand_dims(weights, -1)
        error = ops.sum(weights * ops.square(teacher - student))
        size = ops.sum(weights * ops.square(teacher))
        return ops.where(size > 0, error / one_if_zero(size), 0.0)
