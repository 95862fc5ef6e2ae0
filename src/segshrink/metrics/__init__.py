"""Metrics of predictions, in NumPy alone."""

from segshrink.metrics.bootstrap import mean_iou_interval
from segshrink.metrics.boundary_iou import BoundaryIoU
from segshrink.metrics.confusion import ConfusionMatrix
from segshrink.metrics.intervals import Interval, quality_interval
from segshrink.metrics.score_histograms import ScoreHistograms

__all__ = [
    "BoundaryIoU",
    "ConfusionMatrix",
    "Interval",
    "ScoreHistograms",
    "mean_iou_interval",
    "quality_interval",
]
