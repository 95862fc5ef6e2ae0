"""The supervised loss of a recipe."""

from collections.abc import Callable, Sequence

import keras
import numpy as np

from segshrink.errors import RecipeError
from segshrink.objectives.cross_entropy import CrossEntropy
from segshrink.objectives.dice import Dice
from segshrink.objectives.focal import Focal
from segshrink.objectives.pixel_loss import PixelLoss
from segshrink.objectives.weighted_sum import WeightedSum
from segshrink.recipe import LossSettings

# One entry per weight of `LossSettings`, under the name of its field.
LOSSES: dict[str, Callable[..., PixelLoss]] = {
    "cross_entropy": CrossEntropy,
    "dice": Dice,
    "focal": Focal,
}


def build_loss(
    settings: LossSettings,
    *,
    num_classes: int,
    class_weights: Sequence[float] | np.ndarray | None = None,
) -> keras.losses.Loss:
    """Build the supervised loss that `settings` describe.

    Args:
        settings: weight of each of `LOSSES`.
        num_classes: int > 0, classes of the data set.
        class_weights: one factor per class, in place of those in `settings`; needed
            where `settings.class_weights` is "balanced", see
            `balanced_class_weights`. All losses use them.

    Returns:
        The loss itself if it is the only one and has weight 1, else a `WeightedSum`.

    Raises:
        RecipeError: if the number of class weights is not `num_classes`.
        ValueError: if the settings say "balanced" and no weights are passed.
    """
    factors = _class_weights(settings, num_classes, class_weights)
    weights = {name: weight for name, weight in settings.weights.items() if weight > 0}
    losses = [LOSSES[name](class_weights=factors) for name in weights]
    if list(weights.values()) == [1]:
        return losses[0]
    return WeightedSum(losses, list(weights.values()))


def _class_weights(
    settings: LossSettings,
    num_classes: int,
    class_weights: Sequence[float] | np.ndarray | None,
) -> list[float] | None:
    chosen = settings.class_weights if class_weights is None else class_weights
    if chosen is None:
        return None
    if isinstance(chosen, str):
        raise ValueError(
            "class_weights are balanced by the frequencies of the training part, got "
            "none. Pass balanced_class_weights(class_frequencies(part))."
        )
    factors = [float(factor) for factor in chosen]
    if len(factors) != num_classes:
        raise RecipeError(
            "loss.class_weights: must hold one factor for each of the "
            f"{num_classes} classes of the data set, got {len(factors)}. List "
            f"{num_classes} factors in the order of the classes, or balanced."
        )
    return factors
