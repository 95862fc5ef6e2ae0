"""Cheap check that the ends of each dimension make valid recipes.

Each dimension is tried at its ends, with the usual values of all others. Values that
only clash in rarer combinations are left to the search, which ends such a trial before
it starts and records the reason.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from segshrink.recipe import Plain, Recipe, recipe_faults
from segshrink.search.space.conditions import Space, conditions, is_active
from segshrink.search.space.dimension import Dimension
from segshrink.search.space.fields import as_yaml
from segshrink.search.space.values import data_with, usual_value


class _Fault(NamedTuple):
    """A fault of a drawn recipe; two are the same if `place` and `text` are."""

    place: str
    text: str
    line: str

    def is_same(self, other: "_Fault") -> bool:
        return self[:2] == other[:2]


def end_faults(recipe: Recipe, space: Space) -> list[str]:
    """One line per fault that the ends of a dimension bring into the recipe.

    Args:
        recipe: valid by itself.
        space: as `spelt_out` returns it.
    """
    usual = {p: usual_value(dimension, recipe, p) for p, dimension in space.items()}
    base = _drawn(recipe, space, usual)
    known = _faults(recipe, base)
    found = []
    for fault in known:
        blamed = _culprit(recipe, base, fault)
        found.append((blamed, _line(blamed, base, fault)))
    is_drawn = bool(base)
    for place, dimension in space.items():
        seen = list(known)
        for value in _ends(dimension):
            values = _drawn(recipe, space, usual, {place: value})
            # Conditions on fields that are not drawn may never hold.
            if place not in values:
                continue
            is_drawn = True
            for fault in _faults(recipe, values):
                if not any(map(fault.is_same, seen)):
                    seen.append(fault)
                    found.append((place, _line(place, values, fault)))
    if not is_drawn:
        return [
            "search.space: nothing to draw under this recipe; change when, or set "
            "the fields that it names"
        ]
    order = list(space)
    return [line for _, line in sorted(found, key=lambda each: order.index(each[0]))]


def _drawn(
    recipe: Recipe,
    space: Space,
    usual: Mapping[str, Plain],
    fixed: Mapping[str, Plain] | None = None,
) -> dict[str, Plain]:
    """Values of the active dimensions; those of `fixed` are activated if possible."""
    wanted = dict(usual)
    for place in fixed or {}:
        for condition, allowed in conditions(place, space).items():
            wanted[condition] = allowed[0]
    wanted |= fixed or {}
    values: dict[str, Plain] = {}
    for place, dimension in space.items():
        if is_active(dimension, values, recipe):
            values[place] = wanted[place]
    return values


def _ends(dimension: Dimension) -> Iterator[Any]:
    """All values of a choice; of a range the ends, and the second of whole numbers."""
    if dimension.choice is not None:
        yield from dimension.choice
        return
    low, high = dimension.range
    yield low
    # A field that takes multiples only shows here that `step` is missing.
    if dimension.int is not None and low + (dimension.step or 1) < high:
        yield low + (dimension.step or 1)
    yield high


def _faults(recipe: Recipe, values: Mapping[str, Plain]) -> list[_Fault]:
    try:
        Recipe.model_validate(data_with(recipe, values))
    except ValidationError as error:
        places = [".".join(map(str, fault["loc"])) for fault in error.errors()]
        texts = [fault["msg"] for fault in error.errors()]
        lines = recipe_faults(error)
        return [_Fault(*each) for each in zip(places, texts, lines, strict=True)]
    return []


def _culprit(recipe: Recipe, values: Mapping[str, Plain], fault: _Fault) -> str:
    """The first place of the fewest values that have the fault."""
    fewest = dict(values)
    for place in values:
        fewer = {key: value for key, value in fewest.items() if key != place}
        if any(map(fault.is_same, _faults(recipe, fewer))):
            fewest = fewer
    return next(iter(fewest))


def _line(blamed: str, values: Mapping[str, Plain], fault: _Fault) -> str:
    remedy = "Draw other values, or change the recipe"
    if fault.place != blamed:
        remedy = (
            "Draw other values, change the recipe, or add `when` to the fields that do "
            "not apply with this value"
        )
    value = as_yaml(values[blamed])
    return (
        f"search.space.{blamed}: {value} does not make a valid recipe ({fault.line}). "
        f"{remedy}"
    )
