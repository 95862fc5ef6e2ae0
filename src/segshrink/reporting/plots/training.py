"""Loss and validation mIoU by epoch, teacher and student in one picture."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from segshrink.records.measurement import Role
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.theme import Theme, new_figure, style_axes, style_legend
from segshrink.reporting.run_types import History
from segshrink.reporting.units import human_percent

_NAMES: dict[Role, str] = {
    Role.TEACHER: "teacher",
    Role.STUDENT: "student",
    Role.NO_TEACHER: "no teacher",
    Role.MASKS_ONLY: "masks only",
}
_LINES: dict[Role, str] = {
    Role.TEACHER: "-",
    Role.STUDENT: "-",
    Role.NO_TEACHER: "--",
    Role.MASKS_ONLY: ":",
}


def training_plot(histories: Mapping[str, History]) -> Plot | None:
    """Two panels over epochs; `None` where nothing was trained."""
    trained: dict[Role, History] = {
        role: histories[role] for role in _NAMES if role in histories
    }
    if not any(history.epochs for history in trained.values()):
        return None
    return Plot(
        stem="training",
        title="Training",
        alt=_alt(trained),
        note="The dot is the best epoch, whose weights were kept. With distillation "
        "the student's loss holds the divergence from the teacher too, so compare the "
        "shapes of the losses, not their heights.",
        draw=partial(_draw, trained),
    )


def _alt(trained: Mapping[Role, History]) -> str:
    bests = []
    for role, history in trained.items():
        best = best_epoch(history)
        if best:
            epoch, miou = best
            bests.append(f"{_NAMES[role]} {human_percent(miou)} % in epoch {epoch}")
    text = "Loss and validation mIoU by epoch"
    return f"{text}; best mIoU: {', '.join(bests)}." if bests else f"{text}."


def best_epoch(history: History) -> tuple[int, float] | None:
    """The first epoch with the highest validation mIoU, and that mIoU."""
    epochs, values = history.points("val_miou")
    if not values:
        return None
    highest = max(values)
    return epochs[values.index(highest)], highest


def _draw(trained: Mapping[Role, History], theme: Theme) -> Figure:
    figure = new_figure(8.4, 3.6, theme)
    losses, qualities = figure.subplots(1, 2)
    style_axes(losses, theme, title="Training loss", x="epoch")
    style_axes(qualities, theme, title="Validation mIoU, %", x="epoch")
    for role, history in trained.items():
        look = {
            "color": theme.families[role][0],
            "linestyle": _LINES[role],
            "linewidth": 1.8,
            "label": _NAMES[role],
        }
        _draw_loss(losses, history, look)
        _draw_quality(qualities, history, look, theme)
    for axes in (losses, qualities):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    losses.set_ylim(bottom=0)
    handles, labels = losses.get_legend_handles_labels()
    style_legend(
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels)),
        theme,
    )
    return figure


def _draw_loss(axes: Any, history: History, look: dict[str, Any]) -> None:
    epochs, losses = history.points("loss")
    # One epoch alone would leave a line without length.
    marker = "o" if len(epochs) == 1 else None
    axes.plot(epochs, losses, marker=marker, **look)


def _draw_quality(
    axes: Any, history: History, look: dict[str, Any], theme: Theme
) -> None:
    epochs, mious = history.points("val_miou")
    axes.plot(epochs, [100 * miou for miou in mious], **look)
    best = best_epoch(history)
    if best:
        axes.plot(
            best[0],
            100 * best[1],
            "o",
            color=look["color"],
            markeredgecolor=theme.paper,
            markersize=7,
        )
