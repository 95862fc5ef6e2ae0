"""Colours of trials, and trials that are too bad for an axis."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from segshrink.records.measurement import Role
from segshrink.reporting.plots.theme import Theme
from segshrink.reporting.search.objective import Objective
from segshrink.reporting.units import counted


@dataclass(frozen=True)
class SearchColors:
    """A colour for each kind of trial.

    Attributes:
        chosen: the best, or the Pareto front.
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
    stopped, over = theme.families[Role.MASKS_ONLY]
    return SearchColors(
        chosen=students[0],
        trial=students[1],
        weakest=students[3],
        default=theme.families[Role.NO_TEACHER][0],
        teacher=theme.families[Role.TEACHER][0],
        over=over,
        stopped=stopped,
    )


@dataclass(frozen=True)
class Cut:
    """The end of an axis of the objective; worse trials are triangles that point on.

    `end` is `None` where all trials are shown.
    """

    objective: Objective
    end: float | None

    def is_beyond(self, value: float) -> bool:
        """Whether a trial is too bad for the axis."""
        return self.end is not None and self.objective.is_better(self.end, value)

    def clipped(self, values: Sequence[float]) -> list[float]:
        """The values as far as the axis goes."""
        return [self.end if self.is_beyond(v) else v for v in values]  # type: ignore[misc]

    def note(self, values: Sequence[float]) -> str:
        """A sentence that counts the triangles; empty without any."""
        count = sum(map(self.is_beyond, values))
        if not count:
            return ""
        verb = "lies" if count == 1 else "lie"
        side = "above" if self.objective.is_least_best else "below"
        return (
            f"{counted(count, 'trial')} {verb} {side} the picture, where the triangles "
            "point."
        )

    def draw(
        self,
        axes: Axes,
        points: Sequence[tuple[float, float]],
        label: str,
        marker: str,
        **look: str | float,
    ) -> None:
        """Points of one kind, with a label where there are any."""
        triangle = "^" if self.objective.is_least_best else "v"
        for is_beyond, shape in ((False, marker), (True, triangle)):
            some = [point for point in points if self.is_beyond(point[1]) is is_beyond]
            axes.plot(
                [x for x, _ in some],
                self.clipped([y for _, y in some]),
                linestyle="",
                marker=shape,
                label=label if points and not is_beyond else None,
                **look,  # type: ignore[arg-type]
            )
