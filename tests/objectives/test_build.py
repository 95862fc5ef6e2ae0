import numpy as np
import pytest

from segshrink.errors import RecipeError
from segshrink.objectives import (
    CrossEntropy,
    Dice,
    Focal,
    WeightedSum,
    balanced_class_weights,
    build_loss,
)
from segshrink.recipe import LossSettings


def test_one_loss_of_weight_one_is_that_loss():
    only_cross_entropy = LossSettings(cross_entropy=1, dice=0)
    assert type(build_loss(only_cross_entropy, num_classes=3)) is CrossEntropy
    only_dice = LossSettings(cross_entropy=0, dice=1)
    assert type(build_loss(only_dice, num_classes=3)) is Dice


def test_weights_of_the_recipe_are_those_of_the_sum():
    settings = LossSettings(cross_entropy=1.0, dice=0.5, focal=2.0)
    loss = build_loss(settings, num_classes=3)
    assert isinstance(loss, WeightedSum)
    assert [type(term) for term in loss.losses] == [CrossEntropy, Dice, Focal]
    assert loss.weights == (1.0, 0.5, 2.0)


def test_one_loss_of_another_weight_is_a_sum():
    loss = build_loss(LossSettings(cross_entropy=0, dice=0, focal=3), num_classes=3)
    labels, logits = np.zeros((1, 1, 2)), np.zeros((1, 1, 2, 3))
    assert float(loss(labels, logits)) == pytest.approx(
        3 * float(Focal()(labels, logits))
    )


def test_class_weights_reach_every_loss():
    settings = LossSettings(dice=1, focal=1, class_weights=(1.0, 2.0, 0.5))
    loss = build_loss(settings, num_classes=3)
    assert [term.class_weights for term in loss.losses] == [(1.0, 2.0, 0.5)] * 3


def test_balanced_weights_are_passed_in():
    settings = LossSettings(dice=0, class_weights="balanced")
    weights = balanced_class_weights([0.5, 0.3, 0.2])
    loss = build_loss(settings, num_classes=3, class_weights=weights)
    assert loss.class_weights == tuple(weights)
    with pytest.raises(ValueError, match="Pass balanced_class_weights"):
        build_loss(settings, num_classes=3)


def test_one_class_weight_a_class():
    settings = LossSettings(class_weights=(1.0, 2.0))
    with pytest.raises(
        RecipeError, match=r"loss.class_weights: must hold .* 3 classes .*, got 2\."
    ):
        build_loss(settings, num_classes=3)
