"""Pictures of a search."""

from segshrink.reporting.search.plots.history import history_plot
from segshrink.reporting.search.plots.importance import importance_plot
from segshrink.reporting.search.plots.parallel import parallel_plot
from segshrink.reporting.search.plots.pareto_front import front_plot

__all__ = ["front_plot", "history_plot", "importance_plot", "parallel_plot"]
