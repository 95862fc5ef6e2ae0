"""Focal loss: cross-entropy with less weight on well classified pixels."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from segshrink.objectives.pixel_loss import PixelLoss, Pixels

# Keeps the derivative of (1 - p) ** gamma finite at p = 1 where gamma < 1.
_SMALLEST_MISS = 1e-7


@keras.saving.register_keras_serializable("segshrink")
class Focal(PixelLoss):
    """Mean focal loss of the softmax over valid pixels.

    loss = sum_i w_i (1 - p_i)^gamma (-log p_i) / sum_i w_i, where p_i is the
    probability of the class of pixel i and w_i the weight of that class, 0 for void.
    It differs from the paper in the divisor: the paper divides by the number of boxes
    that hold an object, which pixels do not have. With gamma = 0 it is `CrossEntropy`.
    Reference: Lin, Goyal, Girshick, He, Dollár, Focal Loss for Dense Object Detection,
    2017.

    Args:
        gamma: float >= 0, dimensionless; how fast well classified pixels fade.
        class_weights: optional factors >= 0, one per class: the paper's alpha.
        name: the name under which training reports this loss.

    Input and output shape: see `PixelLoss`.

    Raises:
        ValueError: if `gamma` is negative.
    """

    def __init__(
        self,
        gamma: float = 2.0,
        class_weights: Sequence[float] | None = None,
        name: str = "focal",
    ) -> None:
        if not gamma >= 0:
            raise ValueError(f"gamma must be at least 0, got {gamma}.")
        super().__init__(class_weights, name)
        self.gamma = float(gamma)

    def value(self, pixels: Pixels) -> Any:
        """See `PixelLoss.value`."""
        cross_entropy = pixels.cross_entropy
        # `expm1` computes 1 - exp(-x) without loss of precision where p is close to 1.
        miss = ops.maximum(-ops.expm1(-cross_entropy), _SMALLEST_MISS)
        focal = ops.power(miss, self.gamma) * cross_entropy
        return pixels.mean(focal, self.class_weights)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "gamma": self.gamma}
