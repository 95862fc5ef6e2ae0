"""Metrics of predictions, in NumPy alone."""

from segshrink.metrics.bootstrap import mean_iou_interval
from segshrink.metrics.boundary_iou import BoundaryIoU
from segshrink.metrics.calibration import (
    Reliability,
    fitted_temperature,
    negative_log_likelihood,
)
from segshrink.metrics.confusion import ConfusionMatrix
from segshrink.metrics.intervals import Interval, quality_interval
from segshrink.metrics.score_histograms import ScoreHistograms

__all__ = [
    "BoundaryIoU",
    "ConfusionMatrix",
    "Interval",
    "Reliability",
    "ScoreHistograms",
    "fitted_temperature",
    "mean_iou_interval",
    "negative_log_likelihood",
    "quality_interval",
]
