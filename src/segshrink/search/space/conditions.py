"""Conditions under which a field is drawn, and the conditions of those."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from segshrink.recipe import Plain, Recipe
from segshrink.search.space.dimension import Dimension
from segshrink.search.space.fields import alternatives, is_same, value_at

Space: TypeAlias = Mapping[str, Dimension]


def conditions(place: str, space: Space) -> dict[str, list[Any]]:
    """All conditions for a place to be drawn, conditions of conditions included.

    Args:
        place: a place of the space.
        space: dimensions whose conditions form no circle.

    Returns:
        The values that each place may have; an empty list if the conditions contradict.
    """
    found: dict[str, list[Any]] = {}
    for condition, allowed in space[place].when.items():
        found = merged(found, {condition: alternatives(allowed)})
        if condition in space:
            found = merged(found, conditions(condition, space))
    return found


def merged(a: dict[str, list[Any]], b: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Conditions that hold where both `a` and `b` hold."""
    both = dict(a)
    for place, allowed in b.items():
        if place in both:
            allowed = [x for x in both[place] if any(is_same(x, y) for y in allowed)]
        both[place] = allowed
    return both


def spelt_out(space: Space) -> dict[str, Dimension]:
    """The space with conditions of conditions written out, in order of dependence."""
    done: dict[str, Dimension] = {}
    waiting = {place: conditions(place, space) for place in space}
    while waiting:
        free = next(
            place
            for place, needed in waiting.items()
            if not any(other in waiting for other in needed)
        )
        needed = waiting.pop(free)
        when = {
            place: allowed[0] if _is_plain(allowed) else allowed
            for place, allowed in needed.items()
        }
        done[free] = space[free].model_copy(update={"when": when})
    return done


def _is_plain(allowed: list[Any]) -> bool:
    return len(allowed) == 1 and not isinstance(allowed[0], list)


def is_active(
    dimension: Dimension, values: Mapping[str, Plain], recipe: Recipe
) -> bool:
    """Whether all conditions of `when` hold.

    Args:
        dimension: of the space of a `SearchRecipe`, which spells out the conditions of
            conditions and has each dimension after those that its conditions name.
        values: values drawn so far by place, of active dimensions only.
        recipe: gives the values of the fields that are not drawn, with defaults.
    """
    return all(
        any(
            is_same(values[place] if place in values else value_at(recipe, place), one)
            for one in alternatives(allowed)
        )
        for place, allowed in dimension.when.items()
    )
