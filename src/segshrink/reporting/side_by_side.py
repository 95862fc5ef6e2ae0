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
from segshrink.records.measurement import ClassColor, Measurement, Role
from segshrink.reporting.comparison import compare, shipped_student
from segshrink.reporting.differences import LEGEND, difference_map
from segshrink.reporting.plots.plot import Plot, draw_legend
from segshrink.reporting.plots.theme import Theme
from segshrink.reporting.run_records import RunRecords, Sample
from segshrink.reporting.table import label_of
from segshrink.reporting.verdict import file_to_take

MOST_SAMPLES = 20
_MOST_COLUMNS = 4
_PANEL_INCHES = 2.1
_PANEL_PX = 340


@dataclass(frozen=True)
class Panel:
    """One picture of a sample; `is_photo` tells the image from coloured labels.

    `alt` says in words what it shows. With `against`, the truth and what the teacher
    predicts, it is a map of the differences from them. `slides` is the role that it
    has in the comparison of two predictions, if any.
    """

    label: str
    path: Path
    alt: str
    is_photo: bool = False
    against: tuple[Path, Path] | None = None
    slides: Role | None = None


@dataclass(frozen=True)
class Side:
    """All pictures of one held-out image, in reading order."""

    name: str
    panels: tuple[Panel, ...]


def sides(records: RunRecords) -> tuple[Side, ...]:
    """Up to twenty samples, each with image, truth, teacher and every student.

    Maps of the differences of each student from the teacher come last.
    """
    return tuple(_side(each, records) for each in records.samples[:MOST_SAMPLES])


def worst_sides(records: RunRecords) -> tuple[Side, ...]:
    """The images on which the students are worst, the worst first; as `sides`.

    Those that are among `sides` are left out: a small part is all among them.
    """
    shown = {each.name for each in records.samples[:MOST_SAMPLES]}
    return tuple(_side(x, records) for x in records.worst if x.name not in shown)


def legend_colors(records: RunRecords) -> tuple[ClassColor, ...]:
    """The classes, and void where the scored images have pixels of it."""
    void = LEGEND[-1:] if _has_void(records) else ()
    return records.classes + (void if records.classes else ())


def difference_colors(records: RunRecords) -> tuple[ClassColor, ...]:
    """The colours in the maps of differences; none where there are no maps."""
    shown = [*sides(records), *worst_sides(records)]
    if not any(panel.against for side in shown for panel in side.panels):
        return ()
    return LEGEND if _has_void(records) else LEGEND[:-1]


def _has_void(records: RunRecords) -> bool:
    return any(
        each.quality.void_pixels for each in records.measurements if each.quality
    )


def _shown(records: RunRecords) -> list[Measurement]:
    """One teacher, that of the shipped student, and all students."""
    shipped = shipped_student(records.measurements)
    reference = compare(shipped, records.measurements).reference if shipped else None
    teachers = [reference] if reference else records.of_role(Role.TEACHER)[:1]
    return [*teachers, *records.of_role(Role.STUDENT)]


def _side(sample: Sample, records: RunRecords) -> Side:
    panels = [Panel("image", sample.image, "the image", is_photo=True)]
    if sample.truth:
        panels.append(Panel("truth", sample.truth, "classes as annotated"))
    shown = [each for each in _shown(records) if each.name in sample.predictions]
    taken = file_to_take(records)
    for each in shown:
        label, path = label_of(each), sample.predictions[each.name]
        slides = each.role if each is taken or each.role is Role.TEACHER else None
        alt = f"classes as {label} predicts them"
        panels.append(Panel(label, path, alt, slides=slides))
    return Side(sample.name, (*panels, *_maps(sample, shown)))


def _maps(sample: Sample, shown: Sequence[Measurement]) -> list[Panel]:
    """Differences of each student from the teacher, where there is a truth."""
    if not shown or shown[0].role is not Role.TEACHER or not sample.truth:
        return []
    teacher, *students = shown
    against = sample.truth, sample.predictions[teacher.name]
    return [
        Panel(
            f"{label_of(each)} against the teacher",
            sample.predictions[each.name],
            f"pixels in which {label_of(each)} and the teacher are right or wrong",
            against=against,
        )
        for each in students
    ]


def read_picture(panel: Panel, longest_px: int) -> Image.Image:
    """The panel's picture in RGB, at most `longest_px` wide and high.

    Photos are averaged down; of coloured labels pixels are picked, so that no colour
    appears that belongs to no class.

    Raises:
        RunFolderError: if the file is not a picture.
    """
    picture = _open(panel.path)
    if panel.against is not None:
        truth = np.asarray(_open(panel.against[0], "RGBA"))
        teacher = np.asarray(_open(panel.against[1]))
        picture = Image.fromarray(difference_map(truth, teacher, np.asarray(picture)))
    filter_ = Image.Resampling.LANCZOS if panel.is_photo else Image.Resampling.NEAREST
    picture.thumbnail((longest_px, longest_px), filter_, reducing_gap=None)
    return picture


def _open(path: Path, mode: str = "RGB") -> Image.Image:
    try:
        with Image.open(path) as file:
            return file.convert(mode)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RunFolderError(
            f"{path}: not a readable picture ({error}). Delete the folder of "
            "samples and run `segshrink compress` again."
        ) from error


def side_plots(records: RunRecords) -> list[Plot]:
    """One picture per sample, with a legend of the classes' colours."""
    return [
        Plot(
            stem=f"sample_{number:02d}",
            title=side.name,
            alt=f"{side.name}: {', '.join(panel.label for panel in side.panels)}.",
            figure=partial(_draw, side, legend_colors(records)),
        )
        for number, side in enumerate(map(_without_maps, sides(records)))
    ]


def _without_maps(side: Side) -> Side:
    """The panels that the legend of the classes explains."""
    return Side(side.name, tuple(each for each in side.panels if not each.against))


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
