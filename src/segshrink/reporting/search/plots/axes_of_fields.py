"""Axes of parallel coordinates: where on an axis a trial's value lies."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
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
        return _of_choices(place, title, [*(searched.choice or ()), *tried])
    numbers = [*(searched.bounds or ()), *tried] or [0.0, 1.0]
    low, high = min(numbers), max(numbers)
    is_log = searched.log and low > 0
    if is_log:
        title += "\n(log)"
    return _of_numbers(
        title, (low, high), lambda trial: trial.values.get(place), is_log
    )


def objective_axis(record: SearchRecord) -> FieldAxis:
    """The objective, the best at the head; very bad trials are put at the foot."""
    objective = Objective(record.objective)
    values = [v for v in map(objective.of, with_result(record)) if v is not None]
    best, worst = (each(values, key=objective.cost) for each in (min, max))
    end = worst_shown(values, objective)
    ends = (worst if end is None else end, best)
    return _of_numbers(objective.label, ends, objective.of)


def _of_choices(place: str, title: str, choices: Sequence[object]) -> FieldAxis:
    """An axis of words at equal distances."""
    labels = list(dict.fromkeys(map(value_text, choices)))
    # The first stands at the head, as one reads a list.
    heights = dict(zip(labels, np.linspace(1, 0, len(labels)).tolist(), strict=True))

    def height(trial: Trial) -> float | None:
        tried = place in trial.values
        return heights[value_text(trial.values[place])] if tried else None

    return FieldAxis(title, tuple((at, label) for label, at in heights.items()), height)


def _of_numbers(
    title: str,
    ends: tuple[float, float],
    value_of: Callable[[Trial], float | None],
    is_log: bool = False,
) -> FieldAxis:
    """An axis from the first end at the foot to the second at the head."""
    scale = math.log if is_log else float
    foot, head = map(scale, ends)

    def height_of(value: float) -> float:
        if foot == head:
            return 0.5
        return min(max((scale(value) - foot) / (head - foot), 0.0), 1.0)

    def height(trial: Trial) -> float | None:
        value = value_of(trial)
        return None if value is None else height_of(value)

    ticks = _ticks(min(ends), max(ends), is_log)
    return FieldAxis(title, tuple((height_of(x), f"{x:g}") for x in ticks), height)


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
