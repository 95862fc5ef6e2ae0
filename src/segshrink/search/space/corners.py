"""Whether all that a space can draw makes valid recipes, tried at its corners."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from segshrink.recipe import Recipe, recipe_faults
from segshrink.search.space.conditions import Space, any_value, conditions, drawn
from segshrink.search.space.dimension import Dimension
from segshrink.search.space.fields import is_same, shown, value_at
from segshrink.search.space.values import data_with

_SEED = 0
# Recipes that are validated in all, and for each value; the latter wins.
_RECIPES = 1500
_LEAST_CONTEXTS = 8
_MOST_CONTEXTS = 40


@dataclass(frozen=True)
class _Fault:
    """A fault of a drawn recipe."""

    key: tuple[Any, ...]
    line: str


@dataclass(frozen=True)
class _Finding:
    """What to say of a fault.

    Attributes:
        blamed: place of the dimension to change.
        is_own: whether it was found with the values at the ends of that dimension,
            which show better what is wrong than some drawn between.
        line: of the message.
    """

    blamed: str
    is_own: bool
    line: str


def corner_faults(recipe: Recipe, space: Space) -> list[str]:
    """A line for each way in which values of the space make no valid recipe.

    Tried are both ends of each range and the values beside them, and each choice, all
    with several drawn values of the other dimensions.

    Args:
        recipe: valid by itself.
        space: as `spelt_out` gives it.
    """
    drawable = [
        place
        for place in space
        if all(
            any(is_same(value_at(recipe, condition), one) for one in allowed)
            for condition, allowed in conditions(place, space).items()
            if condition not in space
        )
    ]
    if not drawable:
        return [
            "search.space: nothing to draw under this recipe; change when, or set "
            "the fields that it names"
        ]
    rng = random.Random(_SEED)
    probes = [(p, value) for p in drawable for value in _probes(space[p], rng)]
    contexts = _RECIPES // len(probes)
    contexts = max(_LEAST_CONTEXTS, min(_MOST_CONTEXTS, contexts))
    seen: set[tuple[Any, ...]] = set()
    found: dict[tuple[Any, ...], _Finding] = {}
    for place, value in probes:
        for _ in range(contexts):
            values = drawn(recipe, space, rng, {place: value}, at_ends=0.5)
            for fault in _faults(recipe, values):
                if (place, fault.key) in seen:
                    continue
                seen.add((place, fault.key))
                culprits = _culprits(recipe, values, place, fault)
                # Each of several culprits finds the same fault.
                key = (frozenset(culprits), fault.key)
                if key not in found or not found[key].is_own:
                    found[key] = _finding(recipe, space, values, culprits, fault, place)
    order = list(space)
    by_place = sorted(found.values(), key=lambda finding: order.index(finding.blamed))
    return [finding.line for finding in by_place]


def _probes(dimension: Dimension, rng: random.Random) -> list[Any]:
    if dimension.choice is not None:
        return list(dimension.choice)
    low, high = dimension.range
    inside = [any_value(dimension, rng)]
    if dimension.int is not None:
        step = dimension.step or 1
        inside += [low + step, high - step]
    return list(dict.fromkeys([low, high, *inside]))


def _faults(recipe: Recipe, values: Mapping[str, Any]) -> list[_Fault]:
    try:
        Recipe.model_validate(data_with(recipe, values))
    except ValidationError as error:
        keys = [(fault["loc"], fault["msg"]) for fault in error.errors()]
        lines = recipe_faults(error)
        return [_Fault(*pair) for pair in zip(keys, lines, strict=True)]
    return []


def _culprits(
    recipe: Recipe, values: dict[str, Any], place: str, fault: _Fault
) -> dict[str, Any]:
    """The fewest of the values that make the fault, that of `place` among them if so.

    Args:
        recipe: what the values are put into.
        values: what made the fault.
        place: the dimension that was looked at when it was found.
        fault: one of those of `values`.
    """
    found = dict(values)
    for other in [*(p for p in values if p != place), place]:
        fewer = {p: value for p, value in found.items() if p != other}
        if _persists(fault, recipe, fewer):
            found = fewer
    return dict(sorted(found.items(), key=lambda item: item[0] != place))


def _persists(fault: _Fault, recipe: Recipe, values: Mapping[str, Any]) -> bool:
    return any(found.key == fault.key for found in _faults(recipe, values))


def _finding(
    recipe: Recipe,
    space: Space,
    values: Mapping[str, Any],
    culprits: Mapping[str, Any],
    fault: _Fault,
    place: str,
) -> _Finding:
    """Which dimension to change, and how: by a condition on a choice if one helps."""
    choices = [p for p in [*culprits, *values] if space[p].choice is not None]
    for blamed in culprits:
        for other in choices:
            if other == blamed or blamed in space[other].when:
                continue
            good = [
                one
                for one in space[other].choice or ()
                if not _persists(fault, recipe, {**culprits, other: one})
            ]
            if good:
                cure = shown({other: good[0] if len(good) == 1 else good})
                received = {**culprits, other: values[other]}
                line = _corner_line(blamed, received, fault, f"Add when: {cure}")
                return _Finding(blamed, blamed == place, line)
    advice = "Draw other values, or change the recipe"
    blamed = next(iter(culprits))
    line = _corner_line(blamed, culprits, fault, advice)
    return _Finding(blamed, blamed == place, line)


def _corner_line(
    blamed: str, values: Mapping[str, Any], fault: _Fault, advice: str
) -> str:
    others = [f"{p}: {shown(v)}" for p, v in values.items() if p != blamed]
    context = f" with {', '.join(others)}" if others else ""
    return (
        f"search.space.{blamed}: {shown(values[blamed])}{context} makes no valid "
        f"recipe ({fault.line}). {advice}"
    )
