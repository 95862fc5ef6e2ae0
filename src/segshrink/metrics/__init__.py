"""Metrics of predictions, in NumPy alone."""

from segshrink.metrics.boundary_iou import BoundaryIoU
from segshrink.metrics.confusion import ConfusionMatrix
from segshrink.metrics.score_histograms import ScoreHistograms

__all__ = ["BoundaryIoU", "ConfusionMatrix", "ScoreHistograms"]
