"""Loss and validation mIoU by epoch, teacher and student in one picture."""

from collections.abc import Mapping
from functools import partial

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from segshrink.records.measurement import Role
from segshrink.reporting.plots.inline_svg import describe_points
from segshrink.reporting.plots.plot import Plot, draw_legend
from segshrink.reporting.plots.theme import Theme
from segshrink.reporting.run_records import History, RunRecords
from segshrink.reporting.units import human_percent

_NAMES = {
    Role.TEACHER: "teacher",
    Role.STUDENT: "student",
    Role.NO_TEACHER: "no teacher",
    Role.MASKS_ONLY: "masks only",
}
_LINES = {Role.NO_TEACHER: "--", Role.MASKS_ONLY: ":"}


def training_plot(records: RunRecords) -> Plot | None:
    """Two panels over epochs; `None` where nothing was trained."""
    histories = records.histories
    trained = {role: histories[role] for role in _NAMES if role in histories}
    if not any(history.epochs for history in trained.values()):
        return None
    bests = [
        f"{_NAMES[role]} {human_percent(best[1])} % in epoch {best[0]}"
        for role, history in trained.items()
        if (best := history.best_epoch)
    ]
    best_text = f"; best mIoU: {', '.join(bests)}" if bests else ""
    return Plot(
        stem="training",
        title="Training",
        alt=f"Loss and validation mIoU by epoch{best_text}.",
        note="The dot is the best epoch, whose weights were kept. With distillation "
        "the student's loss holds the divergence from the teacher too, so compare the "
        "shapes of the losses, not their heights.",
        figure=partial(_draw, trained),
        fits_narrow=True,
    )


def _draw(trained: Mapping[Role, History], theme: Theme) -> Figure:
    rows, columns = (2, 1) if theme.is_narrow else (1, 2)
    figure = Figure((theme.width_inches, 2.6 * rows + 0.8))
    losses, qualities = figure.subplots(rows, columns)
    losses.set(title="Training loss", xlabel="epoch")
    qualities.set(title="Validation mIoU, %", xlabel="epoch")
    for role, history in trained.items():
        color, line = theme.families[role][0], _LINES.get(role, "-")
        epochs, loss = history.points("loss")
        # One epoch alone would leave a line without length.
        dot, name = "o" if len(epochs) == 1 else None, _NAMES[role]
        losses.plot(epochs, loss, line, color=color, marker=dot, label=name)
        epochs, mious = history.points("val_miou")
        percents = [100 * miou for miou in mious]
        says = [
            f"{name}, epoch {at}: mIoU {miou:.1f} %"
            for at, miou in zip(epochs, percents, strict=True)
        ]
        describe_points(qualities, epochs, percents, says)
        qualities.plot(epochs, percents, line, color=color)
        if history.best_epoch:
            epoch, miou = history.best_epoch
            qualities.plot(epoch, 100 * miou, "o", color=color, markersize=7)
    for axes in (losses, qualities):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        # Around one epoch alone the ticks would be fractions.
        axes.set_xlim(_at_least_one_epoch(*axes.get_xlim()))
    losses.set_ylim(bottom=0)
    draw_legend(figure)
    return figure


def _at_least_one_epoch(first: float, last: float) -> tuple[float, float]:
    return (first, last) if last - first > 1 else (first - 1, last + 1)
