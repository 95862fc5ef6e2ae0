"""What each colour means in the pictures of a search."""

from dataclasses import dataclass

from segshrink.records.measurement import Role
from segshrink.reporting.plots.theme import Theme


@dataclass(frozen=True)
class SearchColors:
    """A colour for each kind of trial.

    Attributes:
        chosen: the best, or the front.
        trial: others within the limits, ran to the end.
        weakest: the end of the shades from bad to `trial`.
        default: the recipe's own values.
        teacher: the teacher.
        over: over a limit.
        stopped: stopped early.
    """

    chosen: str
    trial: str
    weakest: str
    default: str
    teacher: str
    over: str
    stopped: str


def search_colors(theme: Theme) -> SearchColors:
    """The colours on the theme's paper."""
    students = theme.families[Role.STUDENT]
    masked = theme.families[Role.MASKS_ONLY]
    return SearchColors(
        chosen=students[0],
        trial=students[1],
        weakest=students[3],
        default=theme.families[Role.NO_TEACHER][0],
        teacher=theme.families[Role.TEACHER][0],
        over=masked[1],
        stopped=masked[0],
    )
