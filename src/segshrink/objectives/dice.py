"""Dice loss: overlap of each class in the batch, independent of its size."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from segshrink.objectives.pixel_loss import PixelLoss, Pixels, one_if_zero


@keras.saving.register_keras_serializable("segshrink")
class Dice(PixelLoss):
    """One minus the soft Dice coefficient, over the classes present in the batch.

    For class c, with p the softmax, t the one-hot labels and sums over the valid
    pixels of the whole batch:
    dice_c = (2 sum(p_c t_c) + smooth) / (sum(p_c) + sum(t_c) + smooth).
    loss = mean of (1 - dice_c) over the classes with a valid pixel in the batch,
    weighted by `class_weights`. An absent class has no overlap to improve; its false
    positives still cost the classes they are taken from.
    Reference: Milletari, Navab, Ahmadi, V-Net, 2016 (here with plain sums in the
    denominator).

    Args:
        smooth: float >= 0, in pixels. It damps the loss of classes of few pixels, whose
            coefficient is noisy; 1 is negligible for a class of a hundred pixels.
        class_weights: optional factors >= 0, one per class, of the mean over classes.
        name: the name under which training reports this loss.

    Input and output shape: see `PixelLoss`.

    Raises:
        ValueError: if `smooth` is negative.
    """

    def __init__(
        self,
        smooth: float = 1.0,
        class_weights: Sequence[float] | None = None,
        name: str = "dice",
    ) -> None:
        if not smooth >= 0:
            raise ValueError(f"smooth must be at least 0, got {smooth}.")
        super().__init__(class_weights, name)
        self.smooth = float(smooth)

    def value(self, pixels: Pixels) -> Any:
        """See `PixelLoss.value`."""
        overlap, predicted, true = _class_sums(pixels)
        dice = (2 * overlap + self.smooth) / one_if_zero(predicted + true + self.smooth)
        present = ops.cast(true > 0, "float32")  # (classes,)
        if self.class_weights is not None:
            present = present * ops.convert_to_tensor(
                self.class_weights, dtype="float32"
            )
        return ops.sum(present * (1 - dice)) / one_if_zero(ops.sum(present))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "smooth": self.smooth}


def _class_sums(pixels: Pixels) -> tuple[Any, Any, Any]:
    """Weighted sums over pixels of p t, p and t, each float32 `(classes,)`."""
    probabilities = ops.exp(pixels.log_probabilities) * pixels.weights
    return (
        ops.sum(pixels.one_hot * probabilities, axis=(1, 2, 3)),
        ops.sum(probabilities, axis=(1, 2, 3)),
        ops.sum(pixels.one_hot * pixels.weights, axis=(1, 2, 3)),
    )
