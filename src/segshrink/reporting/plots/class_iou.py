"""IoU of every class, the files of one runtime side by side."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from segshrink.records.measurement import Measurement, Quality
from segshrink.reporting.comparison import shipped_student
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.theme import (
    Theme,
    marks_of,
    new_figure,
    plain,
    style_axes,
    style_legend,
)
from segshrink.reporting.run_types import RunRecords
from segshrink.reporting.table import label_of
from segshrink.reporting.units import human_percent, runtime_name

_BAR_INCHES = 0.17


def class_iou_plot(records: RunRecords) -> Plot | None:
    """Bars by class; `None` where no file of the shipped runtime has classes."""
    shown = _files_of_shipped_runtime(records)
    if not shown:
        return None
    return Plot(
        stem="class_iou",
        title="Quality by class",
        alt=_alt(shown),
        note=f"Files of {runtime_name(shown[0].runtime)}. The IoU of a class is "
        "undefined where it stands in no scored image and in no prediction.",
        draw=partial(_draw, shown),
    )


def _files_of_shipped_runtime(records: RunRecords) -> list[Measurement]:
    scored = [each for each in records.measurements if _classes(each)]
    main = shipped_student(scored) or (scored[0] if scored else None)
    return [each for each in scored if main and each.runtime == main.runtime]


def _classes(measurement: Measurement) -> dict[str, float | None]:
    quality: Quality | None = measurement.quality
    return {each.name: each.iou for each in quality.classes} if quality else {}


def _alt(shown: Sequence[Measurement]) -> str:
    lines = []
    for measurement in shown:
        scores = [
            f"{name} undefined" if iou is None else f"{name} {human_percent(iou)} %"
            for name, iou in _classes(measurement).items()
        ]
        lines.append(f"{label_of(measurement)}: {', '.join(scores)}")
    return f"IoU by class. {'; '.join(lines)}."


def _draw(shown: Sequence[Measurement], theme: Theme) -> Figure:
    names = list(_classes(shown[0]))
    height = len(names) * (len(shown) * _BAR_INCHES + 0.16) + 1.0
    figure = new_figure(8.4, height, theme)
    axes = figure.subplots()
    style_axes(axes, theme, title="IoU, %")
    axes.grid(False, axis="y")
    _mark_undefined(axes, shown, names, theme)
    marks = marks_of(shown, theme)
    thickness = 0.84 / len(shown)
    for place, measurement in enumerate(shown):
        offset = (place - (len(shown) - 1) / 2) * thickness
        color = marks[measurement.name].color
        _draw_bars(axes, measurement, names, offset, thickness, color, theme)
    axes.set_yticks(range(len(names)), [plain(name) for name in names])
    axes.tick_params(axis="y", labelsize=9, labelcolor=theme.ink)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlim(0, 108)
    axes.set_xticks(range(0, 101, 20))
    style_legend(
        figure.legend(loc="outside lower center", ncols=min(len(shown), 5)), theme
    )
    return figure


def _mark_undefined(
    axes: Any, shown: Sequence[Measurement], names: Sequence[str], theme: Theme
) -> None:
    """Say so where no file has a bar, lest it look like an IoU of 0."""
    for place, name in enumerate(names):
        if all(_classes(each).get(name) is None for each in shown):
            axes.text(
                0.8, place, "undefined", va="center", fontsize=8, color=theme.faint
            )


def _draw_bars(
    axes: Any,
    measurement: Measurement,
    names: Sequence[str],
    offset: float,
    thickness: float,
    color: str,
    theme: Theme,
) -> None:
    known = _classes(measurement)
    bars = [
        (place + offset, 100 * iou)
        for place, name in enumerate(names)
        if (iou := known.get(name)) is not None
    ]
    axes.barh(
        [place for place, _ in bars],
        [iou for _, iou in bars],
        height=thickness * 0.9,
        color=color,
        label=plain(label_of(measurement)),
    )
    for place, iou in bars:
        axes.text(
            iou + 0.8, place, f"{iou:.1f}", va="center", fontsize=7, color=theme.faint
        )
