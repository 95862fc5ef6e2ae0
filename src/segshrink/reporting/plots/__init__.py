"""Pictures of the numbers in a run's records."""

from segshrink.reporting.plots.bars import class_iou_plot, cost_plot
from segshrink.reporting.plots.benchmark import benchmark_plot
from segshrink.reporting.plots.confusion import confusion_plot
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.precision_recall import precision_recall_plot
from segshrink.reporting.plots.quality_latency import quality_latency_plot
from segshrink.reporting.plots.theme import DARK, LIGHT, Theme
from segshrink.reporting.plots.training import training_plot

__all__ = [
    "DARK",
    "LIGHT",
    "Plot",
    "Theme",
    "benchmark_plot",
    "class_iou_plot",
    "confusion_plot",
    "cost_plot",
    "precision_recall_plot",
    "quality_latency_plot",
    "training_plot",
]
