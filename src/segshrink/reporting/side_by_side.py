"""Held-out images side by side: the image, the truth, and what each file says."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from segshrink.errors import RunFolderError
from segshrink.records.measurement import ClassColor, Measurement
from segshrink.reporting.comparison import compare, shipped_student
from segshrink.reporting.plots import Plot, Theme
from segshrink.reporting.plots.theme import new_figure, plain, style_legend
from segshrink.reporting.run_types import RunRecords, Sample
from segshrink.reporting.table import label_of

MOST_SAMPLES = 10
_MOST_COLUMNS = 4
_PANEL_INCHES = 2.1
_PANEL_PX = 340
_LEGEND_PATCH_INCHES = 0.6
_LETTER_INCHES = 0.075


@dataclass(frozen=True)
class Panel:
    """One picture of a sample; `is_photo` tells the image from coloured labels."""

    label: str
    path: Path
    is_photo: bool


@dataclass(frozen=True)
class Side:
    """All pictures of one held-out image, in reading order."""

    name: str
    panels: tuple[Panel, ...]


def sides(records: RunRecords) -> tuple[Side, ...]:
    """Up to ten samples, each with image, truth, teacher and every student."""
    shown = _predictions_shown(records)
    return tuple(_side(sample, shown) for sample in records.samples[:MOST_SAMPLES])


def legend_colors(records: RunRecords) -> tuple[ClassColor, ...]:
    """The classes, and void where the scored images have pixels of it."""
    has_void = any(
        each.quality.void_pixels for each in records.measurements if each.quality
    )
    void = (ClassColor(name="void, not scored", color=(0, 0, 0)),) if has_void else ()
    return records.classes + (void if records.classes else ())


def _predictions_shown(records: RunRecords) -> list[Measurement]:
    """One teacher, that of the shipped student's runtime, and all students."""
    students = [each for each in records.measurements if each.role == "student"]
    shipped = shipped_student(students)
    teacher = None
    if shipped is not None:
        teacher = compare(shipped, records.measurements).reference
    if teacher is None:
        teachers = [each for each in records.measurements if each.role == "teacher"]
        teacher = teachers[0] if teachers else None
    return [teacher, *students] if teacher else students


def _side(sample: Sample, shown: Sequence[Measurement]) -> Side:
    panels = [Panel("image", sample.image, is_photo=True)]
    if sample.truth:
        panels.append(Panel("truth", sample.truth, is_photo=False))
    for measurement in shown:
        path = sample.predictions.get(measurement.name)
        if path:
            panels.append(Panel(label_of(measurement), path, is_photo=False))
    return Side(sample.name, tuple(panels))


def read_picture(panel: Panel, longest_px: int) -> Image.Image:
    """The panel's picture in RGB, at most `longest_px` wide and high.

    Photos are averaged down; of coloured labels pixels are picked, so that no colour
    appears that is no class.

    Raises:
        RunFolderError: if the file is no picture.
    """
    try:
        with Image.open(panel.path) as file:
            picture = file.convert("RGB")
    except OSError as error:
        raise RunFolderError(
            f"{panel.path}: not a readable picture ({error}). Delete the folder of "
            "samples and run `segshrink compress` again."
        ) from error
    scale = min(1.0, longest_px / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    if size == picture.size:
        return picture
    filter_ = Image.Resampling.LANCZOS if panel.is_photo else Image.Resampling.NEAREST
    return picture.resize(size, filter_)


def side_plots(records: RunRecords) -> tuple[Plot, ...]:
    """A picture a sample, with a legend of the classes' colours."""
    return tuple(
        Plot(
            stem=f"sample_{number:02d}",
            title=side.name,
            alt=f"{side.name}: {', '.join(panel.label for panel in side.panels)}.",
            note="",
            draw=partial(_draw, side, legend_colors(records)),
        )
        for number, side in enumerate(sides(records))
    )


def _draw(side: Side, classes: Sequence[ClassColor], theme: Theme) -> Figure:
    pictures = [read_picture(panel, _PANEL_PX) for panel in side.panels]
    rows = math.ceil(len(pictures) / _MOST_COLUMNS)
    columns = math.ceil(len(pictures) / rows)
    shape = pictures[0].height / pictures[0].width
    width = _PANEL_INCHES * columns
    legend_columns = _legend_columns(width, classes)
    legend_rows = math.ceil(len(classes) / legend_columns)
    height = rows * (_PANEL_INCHES * shape + 0.3) + 0.3 + 0.22 * legend_rows
    figure = new_figure(width, height, theme)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for axes, panel, picture in zip(panels.flat, side.panels, pictures, strict=False):
        _draw_panel(axes, panel, picture, theme)
    figure.suptitle(plain(side.name), fontsize=9, color=theme.faint)
    _draw_legend(figure, classes, legend_columns, theme)
    return figure


def _legend_columns(width_inches: float, classes: Sequence[ClassColor]) -> int:
    """How many entries beside each other surely fit: by the longest class name."""
    longest = max((len(each.name) for each in classes), default=0)
    entry_inches = _LEGEND_PATCH_INCHES + _LETTER_INCHES * longest
    return max(1, min(len(classes), int(width_inches / entry_inches)))


def _draw_panel(axes: Any, panel: Panel, picture: Image.Image, theme: Theme) -> None:
    interpolation = "antialiased" if panel.is_photo else "nearest"
    axes.imshow(np.asarray(picture), interpolation=interpolation)
    axes.set_title(plain(panel.label), fontsize=8.5, color=theme.ink, pad=3)


def _draw_legend(
    figure: Figure, classes: Sequence[ClassColor], columns: int, theme: Theme
) -> None:
    if not classes:
        return
    patches = [
        Patch(
            facecolor=[channel / 255 for channel in each.color],
            edgecolor=theme.faint,
            linewidth=0.5,
            label=plain(each.name),
        )
        for each in classes
    ]
    legend = figure.legend(handles=patches, loc="outside lower center", ncols=columns)
    style_legend(legend, theme)
