"""Axes of parallel coordinates: where on an axis a trial's value lies."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.ticker import LogLocator, MaxNLocator

from segshrink.records.search import SearchedRange, SearchRecord, Trial
from segshrink.reporting.search.naming import value_text
from segshrink.reporting.search.objective import Objective, counted, worst_shown

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
    is_log: bool = False


def field_axis(
    place: str, title: str, searched: SearchedRange, trials: Sequence[Trial]
) -> FieldAxis:
    """The axis of a searched field, wide enough for all that the trials tried."""
    tried = [trial.values[place] for trial in trials if place in trial.values]
    numbers = [value for value in tried if _is_number(value)]
    if searched.choice is not None or len(numbers) < len(tried):
        return _of_choices(place, title, [*(searched.choice or ()), *tried])
    bounds = [*(searched.bounds or ()), *numbers]
    is_log = searched.log and min(bounds, default=0.0) > 0
    return _of_numbers(place, title, bounds, is_log)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _of_choices(place: str, title: str, choices: Sequence[Any]) -> FieldAxis:
    """Choices at even distances, the first at the head as one reads a list."""
    labels = list(dict.fromkeys(value_text(choice) for choice in choices))
    last = len(labels) - 1
    heights = {
        label: 1 - index / last if last else 0.5 for index, label in enumerate(labels)
    }

    def height(trial: Trial) -> float | None:
        if place not in trial.values:
            return None
        return heights[value_text(trial.values[place])]

    return FieldAxis(title, tuple((heights[each], each) for each in labels), height)


def _of_numbers(
    place: str, title: str, numbers: Sequence[float], is_log: bool
) -> FieldAxis:
    low, high = min(numbers, default=0.0), max(numbers, default=1.0)

    def height_of(value: float) -> float:
        if low == high:
            return 0.5
        if is_log:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    def height(trial: Trial) -> float | None:
        return height_of(trial.values[place]) if place in trial.values else None

    ticks = tuple((height_of(each), f"{each:g}") for each in _ticks(low, high, is_log))
    return FieldAxis(title, ticks, height, is_log)


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


def objective_axis(record: SearchRecord) -> FieldAxis:
    """The objective, the best at the head; very bad trials are put at the foot."""
    objective = Objective(record.objective)
    values = [v for v in map(objective.of, counted(record)) if v is not None]
    best = objective.best_of(values)
    end = worst_shown(values, objective)
    if end is None:
        end = max(values) if objective.is_least_best else min(values)

    def height_of(value: float) -> float:
        if best == end:
            return 1.0
        return min(max((value - end) / (best - end), 0.0), 1.0)

    def height(trial: Trial) -> float | None:
        value = objective.of(trial)
        return None if value is None else height_of(value)

    low, high = sorted((best, end))
    ticks = tuple((height_of(each), f"{each:.4g}") for each in _ticks(low, high, False))
    return FieldAxis(objective.label, ticks, height)
