"""Cross-entropy over the pixels that have a class."""

from collections.abc import Sequence
from typing import Any

import keras

from segshrink.objectives.pixel_loss import PixelLoss, Pixels


@keras.saving.register_keras_serializable("segshrink")
class CrossEntropy(PixelLoss):
    """Mean cross-entropy of the softmax over valid pixels.

    loss = sum_i w_i (-log p_i) / sum_i w_i, where p_i is the probability of the class
    of pixel i and w_i the weight of that class, 0 for void. This is the normalization
    of PyTorch's `CrossEntropyLoss(weight=..., ignore_index=255)`.

    Args:
        class_weights: optional factors >= 0, one per class; see
            `segshrink.objectives.balanced_class_weights`.
        name: the name under which training reports this loss.

    Input and output shape: see `PixelLoss`.

    Example:
        >>> loss = CrossEntropy()
        >>> labels = np.array([[[0, 255]]])
        >>> float(loss(labels, np.zeros((1, 1, 2, 2))))  # log 2
        0.6931471824645996
    """

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        name: str = "cross_entropy",
    ) -> None:
        super().__init__(class_weights, name)

    def value(self, pixels: Pixels) -> Any:
        """See `PixelLoss.value`."""
        return pixels.mean(pixels.cross_entropy, self.class_weights)
