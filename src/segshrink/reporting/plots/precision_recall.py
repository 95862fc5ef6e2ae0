"""Precision over recall of every class, the shipped student over its teacher."""

import math
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from segshrink.records.measurement import Curve, Quality
from segshrink.reporting.comparison import compare, shipped_student
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.theme import (
    Theme,
    new_figure,
    plain,
    style_axes,
    style_legend,
)
from segshrink.reporting.run_types import RunRecords
from segshrink.reporting.table import label_of
from segshrink.reporting.units import human_percent

_MOST_CLASSES = 12
_COLUMNS = 3


def precision_recall_plot(records: RunRecords) -> Plot | None:
    """A panel a class; `None` where the shipped student has no curves."""
    student = shipped_student(records.measurements)
    if student is None or student.quality is None or not student.quality.curves:
        return None
    teacher = compare(student, records.measurements).reference
    shown = _largest_classes(student.quality)
    return Plot(
        stem="precision_recall",
        title="Precision and recall",
        alt=_alt(student.quality, shown),
        note=_note(len(shown), len(student.quality.curves)),
        draw=partial(
            _draw,
            shown,
            {
                "teacher": (teacher.name, teacher.quality) if teacher else None,
                "student": (label_of(student), student.quality),
            },
        ),
    )


def _largest_classes(quality: Quality) -> tuple[str, ...]:
    """Classes with a curve, in their order; of too many those with most pixels."""
    with_curve = [each for each in quality.classes if each.name in quality.curves]
    largest = sorted(with_curve, key=lambda each: -each.pixels)[:_MOST_CLASSES]
    return tuple(each.name for each in with_curve if each in largest)


def _alt(quality: Quality, shown: tuple[str, ...]) -> str:
    averages = [
        f"{each.name} {human_percent(each.average_precision)} %"
        for each in quality.classes
        if each.name in shown
    ]
    return (
        "Precision over recall by class. Average precision of the student: "
        f"{', '.join(averages)}."
    )


def _note(shown: int, known: int) -> str:
    note = "The numbers are average precisions in %, the areas under the curves."
    if shown < known:
        note += f" Shown are the {shown} classes of {known} with the most pixels."
    return note


def _draw(
    shown: tuple[str, ...],
    files: dict[str, tuple[str, Quality | None] | None],
    theme: Theme,
) -> Figure:
    columns = min(_COLUMNS, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = new_figure(2.8 * columns, 2.3 * rows + 0.4, theme)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in panels.flat[len(shown) :]:
        axes.set_visible(False)
    for axes, name in zip(panels.flat, shown, strict=False):
        style_axes(axes, theme, title=plain(name))
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
        axes.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
        axes.set_yticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
        _draw_class(axes, name, files, theme)
    _label_outer(panels, len(shown), theme)
    handles, labels = _legend_entries(panels.flat[: len(shown)], files)
    style_legend(
        figure.legend(handles, labels, loc="outside lower center", ncols=2), theme
    )
    return figure


_TICKS = (0, 0.5, 1)


def _label_outer(panels: Any, shown: int, theme: Theme) -> None:
    """Axis labels on the left and below the lowest panel of every column only."""
    rows, columns = panels.shape
    for place, axes in enumerate(panels.flat[:shown]):
        if place % columns == 0:
            axes.set_ylabel("precision", fontsize=9, color=theme.faint)
        if place + columns >= shown:
            axes.set_xlabel("recall", fontsize=9, color=theme.faint)
            axes.tick_params(labelbottom=True)


def _draw_class(
    axes: Any,
    name: str,
    files: dict[str, tuple[str, Quality | None] | None],
    theme: Theme,
) -> None:
    height = 0.17
    for role, line in (("student", "-"), ("teacher", "--")):
        file = files[role]
        quality = file[1] if file else None
        if quality is None or name not in quality.curves:
            continue
        color = theme.families[role][0]  # type: ignore[index]
        recall, precision = _points(quality.curves[name])
        axes.plot(recall, precision, line, color=color, linewidth=1.8, label=role)
        axes.text(
            0.05,
            height,
            f"{role} {human_percent(_average_precision(quality, name))}",
            color=color,
            fontsize=8,
            fontweight="bold",
            bbox={
                "facecolor": theme.paper,
                "edgecolor": "none",
                "pad": 1,
                "alpha": 0.7,
            },
        )
        height -= 0.11


def _points(curve: Curve) -> tuple[list[float], list[float]]:
    """The points where both are defined, from low recall to high."""
    points = sorted(
        (recall, precision)
        for recall, precision in zip(curve.recall, curve.precision, strict=False)
        if recall is not None and precision is not None
    )
    return [recall for recall, _ in points], [precision for _, precision in points]


def _average_precision(quality: Quality, name: str) -> float | None:
    return next(
        (each.average_precision for each in quality.classes if each.name == name), None
    )


def _legend_entries(
    panels: Any, files: dict[str, tuple[str, Quality | None] | None]
) -> tuple[list[Any], list[str]]:
    found: dict[str, Any] = {}
    for axes in panels:
        for handle, role in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(role, handle)
    names = {
        role: file[0] if file[0] == role else f"{role}: {file[0]}"
        for role, file in files.items()
        if file
    }
    return list(found.values()), [plain(names[role]) for role in found]
