"""Fields of a recipe and their values in few words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from segshrink.records.search import SearchedRange
from segshrink.reporting.units import MISSING


def short_names(places: Iterable[str]) -> dict[str, str]:
    """The last part of each dotted place, or as many parts as tell it from others."""
    all_places = list(places)
    short = {}
    for place in all_places:
        parts = place.split(".")
        tails = [".".join(parts[start:]) for start in reversed(range(len(parts)))]
        unique = (tail for tail in tails if _ending_in(tail, all_places) == [place])
        short[place] = next(unique, place)
    return short


def _ending_in(tail: str, places: Sequence[str]) -> list[str]:
    return [place for place in places if f".{place}".endswith(f".{tail}")]


def value_text(value: Any) -> str:
    """A value of a recipe: `0.00312`, `pruned`, `channel_wise 3 + pixel_kl 1`."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.6g}"
    if isinstance(value, Mapping):
        return " + ".join(f"{k} {value_text(v)}" for k, v in value.items()) or "none"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(value_text(each) for each in value) or "none"
    return str(value)


def is_number(value: object) -> bool:
    """Whether a value is a number; yes and no are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def tried_text(values: Mapping[str, Any], place: str) -> str:
    """Value of a trial for one field, or a dash where the trial does not use it."""
    return value_text(values[place]) if place in values else MISSING


def range_text(searched: SearchedRange) -> str:
    """The searched range: `0.0002 to 0.01, logarithmic`, or all choices."""
    if searched.choice is not None:
        text = " | ".join(value_text(each) for each in searched.choice)
    elif searched.bounds is not None:
        low, high = searched.bounds
        text = f"{value_text(low)} to {value_text(high)}"
    else:
        return MISSING
    if searched.step not in (None, 1):
        text += f" in steps of {searched.step}"
    if searched.log:
        text += ", logarithmic"
    if searched.when:
        named = short_names(searched.when)
        conditions = [f"{named[k]} is {_one_of(v)}" for k, v in searched.when.items()]
        text += f", where {' and '.join(conditions)}"
    return text


def _one_of(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " or ".join(value_text(each) for each in value)
    return value_text(value)
