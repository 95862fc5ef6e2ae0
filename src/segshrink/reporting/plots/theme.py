"""How every plot looks: colours that colour-blind readers tell apart, on light or dark.

Colours are those of Okabe and Ito, Color Universal Design, 2008; on dark paper the blue
is lightened to keep its contrast. Figures are built without pyplot, whose state is
global.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from segshrink.records.measurement import Measurement, Role

DOTS_PER_INCH = 150
_FONT_SIZE = 9


@dataclass(frozen=True)
class Theme:
    """Colours of paper, text and lines, and one colour family a role.

    Each family runs from the strongest shade to the weakest, for several files of one
    role.
    """

    paper: str
    ink: str
    faint: str
    grid: str
    families: dict[Role, tuple[str, ...]]


LIGHT = Theme(
    paper="#ffffff",
    ink="#1c2126",
    faint="#5c666f",
    grid="#e3e7ea",
    families={
        Role.TEACHER: ("#0072b2", "#56b4e9", "#a6d5f2"),
        Role.STUDENT: ("#d55e00", "#e69f00", "#f2c879", "#f7e0b8"),
        Role.NO_TEACHER: ("#009e73", "#7fcfb9"),
        Role.MASKS_ONLY: ("#707a82", "#a9b1b7"),
    },
)
DARK = Theme(
    paper="#171b1f",
    ink="#e6eaed",
    faint="#9da7af",
    grid="#2d343a",
    families={
        Role.TEACHER: ("#56b4e9", "#2f86bd", "#235f86"),
        Role.STUDENT: ("#f0803c", "#e6ab26", "#a87a1d", "#705218"),
        Role.NO_TEACHER: ("#23c297", "#178063"),
        Role.MASKS_ONLY: ("#98a2aa", "#646d74"),
    },
)

_MARKERS = {"litert": "o", "onnx": "s", "openvino": "D", "keras": "^"}


@dataclass(frozen=True)
class Mark:
    """Colour and marker of one file."""

    color: str
    marker: str


def marks_of(measurements: Iterable[Measurement], theme: Theme) -> dict[str, Mark]:
    """A mark for every file by name: family by role, marker by runtime.

    The int8 files of a role come first in its family, so that the shipped student has
    the strongest shade.
    """
    marks: dict[str, Mark] = {}
    taken: dict[Role, int] = {}
    in_order = sorted(
        measurements,
        key=lambda each: each.role == Role.STUDENT and each.precision != "int8",
    )
    for measurement in in_order:
        family = theme.families[measurement.role]
        place = min(taken.get(measurement.role, 0), len(family) - 1)
        taken[measurement.role] = place + 1
        marks[measurement.name] = Mark(
            family[place], _MARKERS.get(measurement.runtime, "v")
        )
    return marks


def color_of_runtime(runtime: str, theme: Theme) -> str:
    """A colour for every runtime, where files have no roles."""
    strongest = [family[0] for family in theme.families.values()]
    return dict(zip(_MARKERS, strongest, strict=True)).get(runtime, theme.ink)


def new_figure(width_inches: float, height_inches: float, theme: Theme) -> Figure:
    """An empty figure on the theme's paper, drawn by Agg."""
    figure = Figure(
        figsize=(width_inches, height_inches),
        dpi=DOTS_PER_INCH,
        layout="constrained",
        facecolor=theme.paper,
    )
    FigureCanvasAgg(figure)
    return figure


def style_axes(
    axes: Any, theme: Theme, *, title: str, x: str = "", y: str = ""
) -> None:
    """Titles, labels, a faint grid behind the data, and no box around it."""
    axes.set_facecolor(theme.paper)
    axes.set_title(title, loc="left", fontsize=_FONT_SIZE + 1, color=theme.ink, pad=8)
    axes.set_xlabel(x, fontsize=_FONT_SIZE, color=theme.faint)
    axes.set_ylabel(y, fontsize=_FONT_SIZE, color=theme.faint)
    axes.tick_params(colors=theme.faint, labelsize=_FONT_SIZE - 1, length=0)
    axes.tick_params(which="minor", length=0)
    axes.grid(True, color=theme.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.grid)


def style_legend(legend: Any, theme: Theme) -> None:
    """A legend without a frame, in the theme's ink."""
    legend.get_frame().set_visible(False)
    for text in legend.get_texts():
        text.set_color(theme.ink)
        text.set_fontsize(_FONT_SIZE - 1)


def plain(text: str) -> str:
    """`text` so that a dollar sign in a name does not start a formula."""
    return text.replace("$", r"\$")


def png_bytes(figure: Figure) -> bytes:
    """The figure as PNG, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
