"""Losses that training minimizes."""

from segshrink.objectives.build import build_loss
from segshrink.objectives.class_weights import balanced_class_weights
from segshrink.objectives.cross_entropy import CrossEntropy
from segshrink.objectives.dice import Dice
from segshrink.objectives.focal import Focal
from segshrink.objectives.pixel_loss import PixelLoss
from segshrink.objectives.weighted_sum import WeightedSum

__all__ = [
    "CrossEntropy",
    "Dice",
    "Focal",
    "PixelLoss",
    "WeightedSum",
    "balanced_class_weights",
    "build_loss",
]
