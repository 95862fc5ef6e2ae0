"""Share of right predictions over their confidence, as a picture."""

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure

from segshrink.records.evaluation import ReliabilityBin
from segshrink.records.measurement import Role
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.theme import Theme


def reliability_plot(bins: Sequence[ReliabilityBin], error: float) -> Plot:
    """Accuracy over confidence, beside the diagonal on which both are equal.

    Args:
        bins: from a record; those without pixels are left out.
        error: expected calibration error in [0, 1].
    """
    return Plot(
        stem="reliability",
        title="Reliability",
        alt="Share of right pixels over the confidence of their predictions.",
        figure=partial(_draw, bins, error),
    )


def _draw(bins: Sequence[ReliabilityBin], error: float, theme: Theme) -> Figure:
    figure = Figure((4.2, 4.6))
    above, below = figure.subplots(2, sharex=True, height_ratios=(4, 1))
    color = theme.families[Role.TEACHER][0]
    filled = [each for each in bins if each.pixels]
    total = sum(each.pixels for each in filled)
    confidences = [100 * each.confidence for each in filled]
    above.plot([0, 100], [0, 100], color=theme.ink, linewidth=0.8, linestyle="--")
    accuracies = [100 * each.accuracy for each in filled]
    above.plot(confidences, accuracies, color=color, marker="o", markersize=4)
    above.set(
        title=f"Expected calibration error {100 * error:.1f} points",
        ylabel="right, %",
        ylim=(0, 102),
    )
    shares = [100 * each.pixels / total for each in filled]
    below.bar(confidences, shares, width=4, color=color)
    below.set(xlabel="confidence, %", ylabel="pixels, %", xlim=(0, 102))
    return figure
