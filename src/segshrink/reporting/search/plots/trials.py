"""Colours of trials, and trials that are too bad for an axis."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from segshrink.records.measurement import Role
from segshrink.reporting.plots.theme import Theme
from segshrink.reporting.search.objective import Objective
from segshrink.reporting.units import counted


class TrialColors:
    """A colour for each kind of trial, on the paper of a theme.

    Attributes:
        chosen: the best, or the Pareto front.
        trial: others within the limits, ran to the end.
        weakest: the end of the shades from bad to `trial`.
        default: the recipe's own values.
        teacher: the teacher.
        over: over a limit.
        stopped: stopped early.
    """

    def __init__(self, theme: Theme) -> None:
        self.chosen, self.trial, _, self.weakest = theme.families[Role.STUDENT]
        self.stopped, self.over = theme.families[Role.MASKS_ONLY]
        self.default = theme.families[Role.NO_TEACHER][0]
        self.teacher = theme.families[Role.TEACHER][0]


@dataclass(frozen=True)
class Cut:
    """The end of an axis of the objective; worse trials are triangles that point on.

    `end` is `None` where all trials are shown.
    """

    objective: Objective
    end: float | None

    def clipped(self, value: float) -> float:
        """The value, or the end of the axis where it is beyond."""
        is_beyond = self.end is not None and self.objective.is_better(self.end, value)
        return self.end if is_beyond else value  # type: ignore[return-value]

    def note(self, values: Sequence[float]) -> str:
        """A sentence that counts the triangles; empty without any."""
        count = sum(self.clipped(value) != value for value in values)
        if not count:
            return ""
        verb = "lies" if count == 1 else "lie"
        side = "above" if self.objective.is_least_best else "below"
        trials = counted(count, "trial")
        return f"{trials} {verb} {side} the picture, where the triangles point."

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
            some = [(x, y) for x, y in points if (self.clipped(y) != y) is is_beyond]
            axes.plot(
                [x for x, _ in some],
                [self.clipped(y) for _, y in some],
                linestyle="",
                marker=shape,
                label=label if points and not is_beyond else None,
                **look,  # type: ignore[arg-type]
            )
