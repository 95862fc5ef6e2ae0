"""Losses that training minimizes, and metrics of predictions."""

from segshrink.objectives.boundary_iou import BoundaryIoU
from segshrink.objectives.build import build_loss
from segshrink.objectives.class_weights import balanced_class_weights
from segshrink.objectives.confusion import ConfusionMatrix
from segshrink.objectives.cross_entropy import CrossEntropy
from segshrink.objectives.dice import Dice
from segshrink.objectives.focal import Focal
from segshrink.objectives.pixel_loss import PixelLoss
from segshrink.objectives.score_histograms import ScoreHistograms
from segshrink.objectives.weighted_sum import WeightedSum

__all__ = [
    "BoundaryIoU",
    "ConfusionMatrix",
    "CrossEntropy",
    "Dice",
    "Focal",
    "PixelLoss",
    "ScoreHistograms",
    "WeightedSum",
    "balanced_class_weights",
    "build_loss",
]
