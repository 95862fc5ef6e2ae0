"""Axes of parallel coordinates: where on an axis a trial's value lies."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.ticker import LogLocator, MaxNLocator

from segshrink.records.search import SearchedRange, SearchRecord, Trial
from segshrink.reporting.search.naming import is_number, value_text
from segshrink.reporting.search.objective import Objective, with_result, worst_shown

_MOST_TICKS = 8
_STEPS = (1, 2, 5, 10)
# Decades from which a logarithmic axis has room for powers of ten only.
_MANY_DECADES = 2.5


@dataclass(frozen=True)
class FieldAxis:
    """One axis, from 0 at the foot to 1 at the head.

    `ticks` are heights with their labels; `height` is where a trial's line crosses,
    `None` where the trial does not use the field.
    """

    title: str
    ticks: tuple[tuple[float, str], ...]
    height: Callable[[Trial], float | None]


def field_axis(
    place: str, title: str, searched: SearchedRange, trials: Sequence[Trial]
) -> FieldAxis:
    """The axis of a searched field, wide enough for all that the trials tried."""
    tried = [trial.values[place] for trial in trials if place in trial.values]
    if searched.choice is not None or not all(map(is_number, tried)):
        labels = dict.fromkeys(map(value_text, [*(searched.choice or ()), *tried]))
        # The first stands at the head, as one reads a list.
        heights = dict(zip(labels, _evenly(len(labels)), strict=True))
        return FieldAxis(
            title,
            tuple((height, label) for label, height in heights.items()),
            lambda trial: (
                heights.get(value_text(trial.values[place]))
                if place in trial.values
                else None
            ),
        )
    numbers = [*(searched.bounds or ()), *tried] or [0.0, 1.0]
    low, high = min(numbers), max(numbers)
    is_log = searched.log and low > 0
    return _of_numbers(
        f"{title}\n(log)" if is_log else title,
        (low, high),
        lambda trial: trial.values.get(place),
        is_log=is_log,
        tick_format="g",
    )


def _evenly(count: int) -> list[float]:
    if count == 1:
        return [0.5]
    return [1 - index / (count - 1) for index in range(count)]


def objective_axis(record: SearchRecord) -> FieldAxis:
    """The objective, the best at the head; very bad trials are put at the foot."""
    objective = Objective(record.objective)
    values = [v for v in map(objective.of, with_result(record)) if v is not None]
    best = objective.best_of(values)
    end = worst_shown(values, objective)
    if end is None:
        end = max(values) if objective.is_least_best else min(values)
    return _of_numbers(
        objective.label, (end, best), objective.of, level=1.0, tick_format=".4g"
    )


def _of_numbers(
    title: str,
    ends: tuple[float, float],
    value_of: Callable[[Trial], float | None],
    *,
    is_log: bool = False,
    level: float = 0.5,
    tick_format: str,
) -> FieldAxis:
    """An axis from the first end at the foot to the second at the head.

    `level` is the height where both ends are the same.
    """
    foot, head = ends

    def height_of(value: float) -> float:
        if foot == head:
            return level
        if is_log:
            return math.log(value / foot) / math.log(head / foot)
        return min(max((value - foot) / (head - foot), 0.0), 1.0)

    def height(trial: Trial) -> float | None:
        value = value_of(trial)
        return None if value is None else height_of(value)

    ticks = _ticks(min(ends), max(ends), is_log)
    return FieldAxis(
        title,
        tuple((height_of(each), f"{each:{tick_format}}") for each in ticks),
        height,
    )


def _ticks(low: float, high: float, is_log: bool) -> list[float]:
    """Round numbers within the bounds; the bounds themselves if there are too few."""
    if low == high:
        return [low]
    if is_log:
        decades = math.log10(high / low)
        steps = (1.0,) if decades > _MANY_DECADES else (1.0, 2.0, 5.0)
        candidates = LogLocator(subs=steps, numticks=20).tick_values(low, high)
    else:
        candidates = MaxNLocator(_MOST_TICKS - 1, steps=_STEPS).tick_values(low, high)
    slack = 1e-9 * high
    inside = [float(x) for x in candidates if low - slack <= x <= high + slack]
    return inside if len(inside) > 1 else [low, high]
