"""Held-out images side by side: the image, the truth, and what each file predicts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from segshrink.errors import RunFolderError
from segshrink.records.measurement import ClassColor, Role
from segshrink.reporting.comparison import compare, shipped_student
from segshrink.reporting.plots.plot import Plot, draw_legend
from segshrink.reporting.plots.theme import Theme
from segshrink.reporting.run_records import RunRecords, Sample
from segshrink.reporting.table import label_of

MOST_SAMPLES = 10
_MOST_COLUMNS = 4
_PANEL_INCHES = 2.1
_PANEL_PX = 340


@dataclass(frozen=True)
class Panel:
    """One picture of a sample; `is_photo` tells the image from coloured labels.

    `alt` says in words what it shows.
    """

    label: str
    path: Path
    alt: str
    is_photo: bool = False


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


def _predictions_shown(records: RunRecords) -> dict[str, str]:
    """Labels by name of one teacher, that of the shipped student, and all students."""
    shipped = shipped_student(records.measurements)
    reference = compare(shipped, records.measurements).reference if shipped else None
    teachers = [reference] if reference else records.of_role(Role.TEACHER)[:1]
    shown = [*teachers, *records.of_role(Role.STUDENT)]
    return {each.name: label_of(each) for each in shown}


def _side(sample: Sample, shown: dict[str, str]) -> Side:
    panels = [Panel("image", sample.image, "the image", is_photo=True)]
    if sample.truth:
        panels.append(Panel("truth", sample.truth, "classes as annotated"))
    panels += [
        Panel(label, sample.predictions[name], f"classes as {label} predicts them")
        for name, label in shown.items()
        if name in sample.predictions
    ]
    return Side(sample.name, tuple(panels))


def read_picture(panel: Panel, longest_px: int) -> Image.Image:
    """The panel's picture in RGB, at most `longest_px` wide and high.

    Photos are averaged down; of coloured labels pixels are picked, so that no colour
    appears that belongs to no class.

    Raises:
        RunFolderError: if the file is not a picture.
    """
    try:
        with Image.open(panel.path) as file:
            picture = file.convert("RGB")
    except OSError as error:
        raise RunFolderError(
            f"{panel.path}: not a readable picture ({error}). Delete the folder of "
            "samples and run `segshrink compress` again."
        ) from error
    filter_ = Image.Resampling.LANCZOS if panel.is_photo else Image.Resampling.NEAREST
    picture.thumbnail((longest_px, longest_px), filter_, reducing_gap=None)
    return picture


def side_plots(records: RunRecords) -> list[Plot]:
    """One picture per sample, with a legend of the classes' colours."""
    return [
        Plot(
            stem=f"sample_{number:02d}",
            title=side.name,
            alt=f"{side.name}: {', '.join(panel.label for panel in side.panels)}.",
            figure=partial(_draw, side, legend_colors(records)),
        )
        for number, side in enumerate(sides(records))
    ]


def _draw(side: Side, classes: Sequence[ClassColor], theme: Theme) -> Figure:
    pictures = [read_picture(panel, _PANEL_PX) for panel in side.panels]
    rows = math.ceil(len(pictures) / _MOST_COLUMNS)
    columns = math.ceil(len(pictures) / rows)
    shape = pictures[0].height / pictures[0].width
    height = rows * (_PANEL_INCHES * shape + 0.3) + 0.4
    figure = Figure((_PANEL_INCHES * columns, height))
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for axes, panel, picture in zip(panels.flat, side.panels, pictures, strict=False):
        interpolation = "antialiased" if panel.is_photo else "nearest"
        axes.imshow(np.asarray(picture), interpolation=interpolation)
        axes.set_title(panel.label, loc="center", fontsize=8.5, pad=3)
    figure.suptitle(side.name, fontsize=9, color=theme.faint)
    patches = [
        Patch(fc=[c / 255 for c in each.color], ec=theme.faint, lw=0.5, label=each.name)
        for each in classes
    ]
    draw_legend(figure, patches)
    return figure
