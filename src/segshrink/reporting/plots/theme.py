"""Style sheets and colours of every plot, on light or dark paper.

Colour-blind readers tell the colours apart: they are those of Okabe and Ito, Color
Universal Design, 2008; on dark paper the blue is lightened to keep its contrast.
Figures are built without pyplot, whose state is global.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from matplotlib import RcParams, rc_context, rc_params_from_file

from segshrink.formats import Format, Precision
from segshrink.records.measurement import Measurement, Role

_SHEETS = Path(__file__).parent
_NARROW_INCHES = 4.3


@dataclass(frozen=True)
class Theme:
    """A Matplotlib style sheet, one family of colours per role, and a width.

    Each family runs from the strongest shade to the weakest, for several files of one
    role.
    """

    name: str
    families: dict[Role, tuple[str, ...]]
    width_inches: float = 8.4

    @property
    def is_narrow(self) -> bool:
        """Whether panels go below each other, as on a telephone."""
        return self.width_inches < _NARROW_INCHES + 1

    def narrow(self) -> "Theme":
        """The same colours on narrow paper."""
        return replace(self, width_inches=_NARROW_INCHES)

    @cached_property
    def params(self) -> RcParams:
        """The settings of the style sheet."""
        params = _read_sheet("base")
        params.update(_read_sheet(self.name))
        return params

    @property
    def paper(self) -> str:
        """Colour of the background."""
        return str(self.params["figure.facecolor"])

    @property
    def ink(self) -> str:
        """Colour of text."""
        return str(self.params["text.color"])

    @property
    def faint(self) -> str:
        """Colour of axis labels and of lines that guide the eye."""
        return str(self.params["axes.labelcolor"])

    def style(self) -> AbstractContextManager[None]:
        """Context in which figures are built and saved with this style sheet."""
        return rc_context(self.params)


def _read_sheet(name: str) -> RcParams:
    return rc_params_from_file(_SHEETS / f"{name}.mplstyle", use_default_template=False)


LIGHT = Theme(
    "light",
    {
        Role.TEACHER: ("#0072b2", "#56b4e9", "#a6d5f2"),
        Role.STUDENT: ("#d55e00", "#e69f00", "#f2c879", "#f7e0b8"),
        Role.NO_TEACHER: ("#009e73", "#7fcfb9"),
        Role.MASKS_ONLY: ("#707a82", "#a9b1b7"),
    },
)
DARK = Theme(
    "dark",
    {
        Role.TEACHER: ("#56b4e9", "#2f86bd", "#235f86"),
        Role.STUDENT: ("#f0803c", "#e6ab26", "#a87a1d", "#705218"),
        Role.NO_TEACHER: ("#23c297", "#178063"),
        Role.MASKS_ONLY: ("#98a2aa", "#646d74"),
    },
)

_MARKERS: dict[str, str] = {
    Format.LITERT: "o",
    Format.ONNX: "s",
    Format.OPENVINO: "D",
    Format.KERAS: "^",
    Format.SAVED_MODEL: "v",
}


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
    unused = {role: list(family) for role, family in theme.families.items()}
    in_order = sorted(
        measurements,
        key=lambda each: each.role is Role.STUDENT and each.precision != Precision.INT8,
    )
    for measurement in in_order:
        family = unused[measurement.role]
        color = family.pop(0) if len(family) > 1 else family[0]
        marker = _MARKERS.get(measurement.runtime, "v")
        marks[measurement.name] = Mark(color, marker)
    return marks


def color_of_runtime(runtime: str, theme: Theme) -> str:
    """A colour for every runtime, where files have no roles."""
    strongest = [family[0] for family in theme.families.values()]
    return dict(zip(_MARKERS, strongest, strict=False)).get(runtime, theme.ink)
