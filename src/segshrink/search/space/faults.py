"""Faults of a space that show without drawing from it."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from segshrink.search.space.conditions import Space, conditions, merged
from segshrink.search.space.dimension import Dimension
from segshrink.search.space.fields import (
    alternatives,
    as_yaml,
    fields_of,
    is_within,
    listed,
    literals_of,
    takes,
    types_of,
)


def place_faults(places: Iterable[str], of: str) -> list[str]:
    """One line per place that is not a field, or not one that the search may change.

    Args:
        places: those of the space.
        of: `"student"` or `"teacher"`, what is searched.
    """
    lines = []
    for place in places:
        reason = _no_field(place) or _out_of_bounds(place, of)
        if reason:
            lines.append(f"search.space.{place}: {reason}")
    return lines


def _no_field(place: str) -> str | None:
    if types_of(place):
        return None
    section = place.rpartition(".")[0]
    while section and not types_of(section):
        section = section.rpartition(".")[0]
    known = ", ".join(fields_of(section))
    name = section or "a recipe"
    return "not a field of the recipe; " + (
        f"{name} has {known}" if known else f"{name} is a value and holds no fields"
    )


def _out_of_bounds(place: str, of: str) -> str | None:
    section, _, field = place.partition(".")
    if section not in ("teacher", "student", "export"):
        return "must be the same for all trials, so that they compare; drop it"
    if of == "teacher":
        if any(is_within(place, f"teacher.{part}") for part in ("training", "model")):
            return None
        return (
            "a search of: teacher draws fields of teacher.training and teacher.model "
            "alone; drop it"
        )
    if section == "teacher":
        return (
            "all students share one teacher, since each trial would otherwise train "
            "its own. Search the teacher first with of: teacher, and drop it here"
        )
    return None if field else f"name fields of {section}, not all of it"


def space_faults(space: Space, known: Collection[str]) -> list[str]:
    """One line per fault of a dimension.

    Args:
        space: the dimensions that are valid by themselves, at valid places.
        known: all places of the space as it was written.
    """
    lines = []
    for place, dimension in space.items():
        reasons = list(_type_faults(place, dimension))
        for condition, allowed in dimension.when.items():
            reason = _condition_fault(condition, alternatives(allowed), space, known)
            reasons += [f"when: {condition}{reason}"] if reason else []
        lines += [f"search.space.{place}: {reason}" for reason in reasons]
    lines += [f"search.space.{line}" for line in _circles(space)]
    return lines or [f"search.space.{line}" for line in _contradictions(space)]


def _type_faults(place: str, dimension: Dimension) -> Iterator[str]:
    types = types_of(place)
    literals = literals_of(place) or ()
    is_whole = int in types or any(type(one) is int for one in literals)
    if dimension.choice is not None or float in types:
        return
    if is_whole and dimension.float:
        low, high = dimension.float
        yield f"takes whole numbers: write int: [{round(low)}, {round(high)}]"
    elif not is_whole:
        few = f", such as [{', '.join(map(as_yaml, literals))}]" if literals else ""
        yield f"does not take numbers: write choice with a list of values{few}"


def _condition_fault(
    place: str, allowed: list[Any], space: Space, known: Collection[str]
) -> str | None:
    """Fault of a condition on a place, as text that follows its name."""
    if place in space:
        return _never_drawn(space[place], allowed)
    if place in known:
        return None
    if not types_of(place):
        return f": {_no_field(place)}"
    for drawn in known:
        if is_within(place, drawn) or is_within(drawn, place):
            return f": what is drawn is {drawn}, name that"
    never = [value for value in allowed if not takes(place, value)]
    few = ", ".join(map(as_yaml, literals_of(place) or ()))
    known_values = f"one of {few}, never" if few else "never"
    return f" is {known_values} {listed(never)}" if never else None


def _never_drawn(dimension: Dimension, allowed: list[Any]) -> str | None:
    if dimension.float is not None:
        return (
            " is drawn from a range of float, which hardly ever gives one number; "
            "draw it by choice, or drop the condition"
        )
    never = [value for value in allowed if not dimension.holds(value)]
    values = as_yaml(dimension.choice or dimension.int)
    return f" is drawn from {values}, never {listed(never)}" if never else None


def _circles(space: Space) -> Iterator[str]:
    reported: set[str] = set()
    for start in space:
        path = _circle_from(start, space)
        if path and not reported & set(path):
            reported |= set(path)
            yield (
                f"{start}: the conditions form a circle, "
                f"{' -> '.join([*path, start])}; drop one"
            )


def _circle_from(start: str, space: Space) -> list[str]:
    """A path from a place along its conditions back to it, without its end."""
    paths, seen = [[start]], set[str]()
    while paths:
        path = paths.pop()
        for place in space[path[-1]].when:
            if place == start:
                return path
            if place in space and place not in seen:
                seen.add(place)
                paths.append([*path, place])
    return []


def _contradictions(space: Space) -> Iterator[str]:
    needed = {place: conditions(place, space) for place in space}
    for place in space:
        for condition, allowed in needed[place].items():
            if not allowed:
                yield (
                    f"{place}: never drawn, since its conditions ask for different "
                    f"values of {condition}; change when"
                )
    for place in space:
        for other in space:
            if other != place and is_within(place, other):
                both = merged(needed[place], needed[other])
                if all(both.values()):
                    yield (
                        f"{place}: is inside {other}, which is drawn too; drop one, "
                        "or give them `when` so that only one is drawn"
                    )
