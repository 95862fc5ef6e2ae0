"""The supervised loss of a recipe."""

from collections.abc import Sequence

import keras
import numpy as np

from segshrink.errors import RecipeError
from segshrink.objectives.cross_entropy import CrossEntropy
from segshrink.objectives.dice import Dice
from segshrink.objectives.focal import Focal
from segshrink.objectives.weighted_sum import WeightedSum
from segshrink.recipe import LossSettings


def build_loss(
    settings: LossSettings,
    *,
    num_classes: int,
    class_weights: Sequence[float] | np.ndarray | None = None,
) -> keras.losses.Loss:
    """Build the supervised loss that `settings` describe.

    Args:
        settings: weights of cross-entropy, Dice and focal loss.
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
    terms: list[tuple[keras.losses.Loss, float]] = [
        (CrossEntropy(class_weights=factors), settings.cross_entropy),
        (Dice(class_weights=factors), settings.dice),
        (Focal(class_weights=factors), settings.focal),
    ]
    used = [(loss, weight) for loss, weight in terms if weight > 0]
    if len(used) == 1 and used[0][1] == 1:
        return used[0][0]
    return WeightedSum([loss for loss, _ in used], [weight for _, weight in used])


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
