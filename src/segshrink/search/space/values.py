"""From values by place to a recipe, and back."""

import copy
from collections.abc import Mapping
from typing import Any

from segshrink.errors import RecipeError
from segshrink.recipe import Plain, PruningSettings, Recipe, parse_recipe
from segshrink.search.space.conditions import is_active
from segshrink.search.space.dimension import Dimension
from segshrink.search.space.fields import is_same, is_within, value_at


def with_values(recipe: Recipe, values: Mapping[str, Plain]) -> Recipe:
    """The recipe with `values` by dotted place.

    Sections of a kind of student or family of teacher that was not drawn are left out.

    Raises:
        RecipeError: listing every fault, if the result is not a valid recipe.
    """
    return parse_recipe(data_with(recipe, values))


def data_with(recipe: Recipe, values: Mapping[str, Plain]) -> dict[str, Any]:
    """The data that `with_values` validates."""
    data: dict[str, Any] = recipe.model_dump(mode="json", exclude_unset=True)
    _drop_unused(data, recipe, values)
    for place, value in values.items():
        *sections, field = place.split(".")
        section = data
        for name in sections:
            # A printed recipe has null for a section that was not given.
            if section.get(name) is None:
                section[name] = {}
            section = section[name]
        section[field] = copy.deepcopy(value)
    return data


def _drop_unused(
    data: dict[str, Any], recipe: Recipe, values: Mapping[str, Plain]
) -> None:
    student = data.get("student", {})
    kind = values.get("student.kind")
    if kind is not None:
        student.pop("model" if kind == "pruned" else "pruning", None)
    family = values.get("teacher.model.name", recipe.teacher.model.name)
    if family != recipe.teacher.model.name:
        data.get("teacher", {}).pop("model", None)
    if any(is_within(place, "student.pruning.budget") for place in values):
        # The default share stands there only for want of a budget.
        pruning = student.get("pruning") or {}
        if pruning.get("keep") == PruningSettings().keep:
            del pruning["keep"]


def own_values(
    recipe: Recipe, space: Mapping[str, Dimension]
) -> dict[str, Plain] | None:
    """The recipe's own values of the active dimensions.

    Fields that the recipe leaves open count with the values that they stand for: a
    weight of 1 on labels and on channel_wise, temperature 1, and the scope that goes
    with `keep` or a budget.

    Returns:
        Values by place; None if one lies outside its dimension.
    """
    values: dict[str, Plain] = {}
    for place, dimension in space.items():
        if not is_active(dimension, values, recipe):
            continue
        own = _own_values(dimension, recipe, place)
        if not own:
            return None
        values[place] = own[0]
    return values


def usual_value(dimension: Dimension, recipe: Recipe, place: str) -> Any:
    """The recipe's own value of a dimension, or if it has none the first or lowest."""
    own = _own_values(dimension, recipe, place)
    return own[0] if own else (dimension.choice or dimension.range)[0]


def _left_open(recipe: Recipe, place: str) -> Any:
    if place == "student.pruning.scope":
        return "global" if recipe.student.pruning.budget else "layer"
    stands: Any = recipe.student.distillation.completed().model_dump()
    section, _, rest = place.partition("student.distillation.")
    if section or not rest:
        return None
    for name in rest.split("."):
        stands = stands.get(name)
    return stands


def _own_values(dimension: Dimension, recipe: Recipe, place: str) -> list[Any]:
    """The value of the dimension that leaves the recipe unchanged, or no value."""
    own = value_at(recipe, place)
    own = _left_open(recipe, place) if own is None else own
    if dimension.choice is None:
        if not dimension.holds(own):
            return []
        return [float(own) if dimension.int is None else int(own)]
    return [
        value
        for value in dimension.choice
        if is_same(value, own) or _changes_nothing(recipe, place, value)
    ][:1]


def _changes_nothing(recipe: Recipe, place: str, value: Any) -> bool:
    try:
        return with_values(recipe, {place: value}) == recipe
    except RecipeError:
        return False
