"""Pictures of the numbers in a run's records."""

from segshrink.reporting.plots.benchmark import benchmark_figure
from segshrink.reporting.plots.class_iou import class_iou_plot
from segshrink.reporting.plots.confusion import confusion_figure
from segshrink.reporting.plots.cost import cost_plot
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.precision_recall import precision_recall_plot
from segshrink.reporting.plots.quality_latency import quality_latency_plot
from segshrink.reporting.plots.theme import DARK, LIGHT, Theme, png_bytes
from segshrink.reporting.plots.training import training_plot

__all__ = [
    "DARK",
    "LIGHT",
    "Plot",
    "Theme",
    "benchmark_figure",
    "class_iou_plot",
    "confusion_figure",
    "cost_plot",
    "png_bytes",
    "precision_recall_plot",
    "quality_latency_plot",
    "training_plot",
]
