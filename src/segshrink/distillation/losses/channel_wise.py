"""Channel-wise distillation: spatial distribution of each channel."""

from typing import Any

import keras
from keras import ops

from segshrink.distillation.losses.masked_loss import MaskedLoss, require_positive

# This stands for minus infinity, whose differences would be NaN.
_NOWHERE = -1e9


@keras.saving.register_keras_serializable("segshrink")
class ChannelWise(MaskedLoss):
    """Divergence of each channel's distribution over the valid pixels of an image.

    loss = T^2 / C * sum_c sum_i p_t log(p_t / p_s), where p is the softmax of z_c / T
    over the positions i of channel c; then the mean over images. It compares logits or
    features.
    Reference: Shu and others, Channel-wise Knowledge Distillation for Dense
    Prediction, 2021.

    Args:
        temperature: float > 0, dimensionless.
        teacher_layer_name: see `MaskedLoss`.
        student_layer_name: see `MaskedLoss`.

    Raises:
        ValueError: if `temperature` is not positive.
    """

    name = "channel_wise"

    def __init__(
        self,
        temperature: float = 4.0,
        teacher_layer_name: str | None = None,
        student_layer_name: str | None = None,
    ) -> None:
        super().__init__(teacher_layer_name, student_layer_name)
        self.temperature = require_positive("temperature", temperature)

    def value(self, teacher: Any, student: Any, weights: Any) -> Any:
        """See `MaskedLoss.value`."""
        teacher_log = self._log_positions(teacher, weights)
        student_log = self._log_positions(student, weights)
        divergence = ops.sum(
            ops.exp(teacher_log) * (teacher_log - student_log), axis=1
        )  # (batch, channels)
        return self.temperature**2 * ops.mean(divergence, axis=-1)

    def _log_positions(self, maps: Any, weights: Any) -> Any:
        """Log-softmax over positions, `(batch, positions, channels)`."""
        _, height, width, channels = maps.shape
        # A cell of half the valid area counts as half a pixel.
        present = weights > 0
        multiplicity = ops.where(
            present, ops.log(ops.where(present, weights, 1.0)), _NOWHERE
        )
        scores = maps / self.temperature + ops.expand_dims(multiplicity, -1)
        scores = ops.reshape(scores, (-1, height * width, channels))
        return ops.log_softmax(scores, axis=1)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {"temperature": self.temperature, **super().get_config()}
