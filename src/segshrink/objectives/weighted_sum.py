"""Weighted sum of losses."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from segshrink.objectives.pixel_loss import PixelLoss


@keras.saving.register_keras_serializable("segshrink")
class WeightedSum(keras.losses.Loss):
    """Sum of losses over pixels, each times its weight.

    Args:
        losses: the losses; their names must differ, since training reports them.
        weights: one float > 0 per loss, dimensionless.
        name: the name under which training reports the sum.

    Input and output shape: those of its losses; see `PixelLoss`.

    Raises:
        ValueError: if the numbers of losses and weights differ, there are none, names
            repeat, or a weight is not positive.

    Example:
        >>> WeightedSum([CrossEntropy(), Dice()], [1.0, 0.5])
    """

    def __init__(
        self,
        losses: Sequence[PixelLoss],
        weights: Sequence[float],
        name: str = "loss",
    ) -> None:
        super().__init__(name=name, dtype="float32")
        self.losses = tuple(losses)
        self.weights = tuple(float(weight) for weight in weights)
        _check(self.losses, self.weights)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """See `PixelLoss`."""
        return self.call(y_true, y_pred, sample_weight)

    def components(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> Mapping[str, Any]:
        """Each loss by name, before its weight: float32 scalars."""
        # Softmax and one-hot labels take most of the time, so all losses share them.
        pixels = self.losses[0].pixels(y_true, y_pred, sample_weight)
        return {loss.name: loss.of_pixels(pixels) for loss in self.losses}

    def call(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Weighted sum for one batch."""
        values = self.components(y_true, y_pred, sample_weight).values()
        return sum(
            weight * value for weight, value in zip(self.weights, values, strict=True)
        )

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            "losses": [keras.saving.serialize_keras_object(x) for x in self.losses],
            "weights": list(self.weights),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "WeightedSum":
        """The loss that `get_config` described."""
        losses = [keras.saving.deserialize_keras_object(x) for x in config["losses"]]
        return cls(losses, config["weights"], name=config["name"])


def _check(losses: tuple[PixelLoss, ...], weights: tuple[float, ...]) -> None:
    names = [loss.name for loss in losses]
    if not losses or len(losses) != len(weights):
        raise ValueError(
            "WeightedSum needs at least one loss and one weight for each, got "
            f"{len(losses)} losses and {len(weights)} weights."
        )
    if len(set(names)) < len(names):
        raise ValueError(f"the names of the losses must differ, got {names}.")
    if not all(weight > 0 for weight in weights):
        raise ValueError(
            f"weights must be above 0, got {list(weights)}. Leave out a loss "
            "without weight."
        )
