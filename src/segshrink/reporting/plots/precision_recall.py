"""Precision over recall of every class, the shipped student over its teacher."""

import math
from collections.abc import Mapping
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segshrink.records.measurement import Curve, Quality, Role
from segshrink.reporting.comparison import compare, shipped_student
from segshrink.reporting.plots.inline_svg import describe_points
from segshrink.reporting.plots.plot import Plot, draw_legend
from segshrink.reporting.plots.theme import Theme
from segshrink.reporting.run_records import RunRecords
from segshrink.reporting.table import label_of
from segshrink.reporting.units import human_percent

_MOST_CLASSES = 12
_COLUMNS = 3
_TICKS = (0, 0.5, 1)
_LINES = {Role.STUDENT: "-", Role.TEACHER: "--"}


def precision_recall_plot(records: RunRecords) -> Plot | None:
    """One panel per class; `None` where the shipped student has no curves."""
    student = shipped_student(records.measurements)
    if student is None or student.quality is None or not student.quality.curves:
        return None
    shown = _largest_classes(student.quality)
    averages = []
    for name in shown:
        average = human_percent(_average_precision(student.quality, name))
        averages.append(f"{name} {average} %")
    note = "The numbers are average precisions in %, the areas under the curves."
    known = len(student.quality.curves)
    if len(shown) < known:
        note += f" Shown are the {len(shown)} classes of {known} with the most pixels."
    # The student is drawn first, so that both lines show where they coincide.
    files = {Role.STUDENT: (f"student: {label_of(student)}", student.quality)}
    teacher = compare(student, records.measurements).reference
    if teacher and teacher.quality:
        name = "teacher" if teacher.name == "teacher" else f"teacher: {teacher.name}"
        files[Role.TEACHER] = (name, teacher.quality)
    return Plot(
        stem="precision_recall",
        title="Precision and recall",
        alt="Precision over recall by class. Average precision of the student: "
        f"{', '.join(averages)}.",
        note=note,
        figure=partial(_draw, shown, files),
        fits_narrow=True,
    )


def _largest_classes(quality: Quality) -> tuple[str, ...]:
    """Classes with a curve, in their order; of too many those with most pixels."""
    with_curve = [each for each in quality.classes if each.name in quality.curves]
    largest = sorted(with_curve, key=lambda each: -each.pixels)[:_MOST_CLASSES]
    return tuple(each.name for each in with_curve if each in largest)


def _average_precision(quality: Quality, name: str) -> float | None:
    return {each.name: each.average_precision for each in quality.classes}[name]


def _draw(
    shown: tuple[str, ...], files: Mapping[Role, tuple[str, Quality]], theme: Theme
) -> Figure:
    columns = min(2 if theme.is_narrow else _COLUMNS, len(shown))
    rows = math.ceil(len(shown) / columns)
    panel = 2.1 if theme.is_narrow else 2.8
    figure = Figure((panel * columns, 2.3 * rows + 0.2))
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in panels.flat[len(shown) :]:
        axes.set_visible(False)
    for place, (axes, name) in enumerate(zip(panels.flat, shown, strict=False)):
        axes.set(title=name, xlim=(0, 1.02), ylim=(0, 1.02))
        axes.set(xticks=_TICKS, xticklabels=_TICKS, yticks=_TICKS, yticklabels=_TICKS)
        if place % columns == 0:
            axes.set_ylabel("precision")
        # The lowest panel of its column.
        if place + columns >= len(shown):
            axes.set_xlabel("recall")
            axes.tick_params(labelbottom=True)
        _draw_class(axes, name, files, theme)
    draw_legend(figure)
    return figure


def _draw_class(
    axes: Axes, name: str, files: Mapping[Role, tuple[str, Quality]], theme: Theme
) -> None:
    box = {"facecolor": theme.paper, "edgecolor": "none", "pad": 1, "alpha": 0.7}
    height = 0.17
    for role, (label, quality) in files.items():
        if name not in quality.curves:
            continue
        color, line = theme.families[role][0], _LINES[role]
        recall, precision = _points(quality.curves[name])
        axes.plot(recall, precision, line, color=color, label=label)
        says = [
            f"{label}: {name}, recall {100 * x:.0f} %, precision {100 * y:.1f} %"
            for x, y in zip(recall, precision, strict=True)
        ]
        describe_points(axes, recall[::10], precision[::10], says[::10])
        text = f"{role} {human_percent(_average_precision(quality, name))}"
        axes.text(0.05, height, text, color=color, fontweight="bold", bbox=box)
        height -= 0.11


def _points(curve: Curve) -> tuple[list[float], list[float]]:
    """Recalls and precisions where both are defined, from low recall to high."""
    points = sorted(
        (recall, precision)
        for recall, precision in zip(curve.recall, curve.precision, strict=False)
        if recall is not None and precision is not None
    )
    return [recall for recall, _ in points], [precision for _, precision in points]
