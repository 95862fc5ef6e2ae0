"""The section `search` of a recipe file: its space, its length and its limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError, model_validator

from segshrink.errors import RecipeError, fault_message
from segshrink.recipe import (
    Recipe,
    Settings,
    parse_recipe,
    read_recipe_data,
    recipe_faults,
    recipe_yaml,
)
from segshrink.records.search import Limits
from segshrink.search.space.conditions import spelt_out
from segshrink.search.space.default_space import default_space
from segshrink.search.space.dimension import Dimension
from segshrink.search.space.ends import end_faults
from segshrink.search.space.faults import place_faults, space_faults


class SearchSettings(Settings):
    """Settings of a search.

    `minutes`: no trial begins later than this. `objective` is the mean IoU on the
    validation part, the loss there, or front, the Pareto front of mean IoU against
    latency. `scheduler` hyperband stops poor trials early, and is the default unless
    the objective is front. `space` maps places of the recipe to their dimensions.
    """

    of: Literal["student", "teacher"] = "student"
    trials: int = Field(20, ge=1)
    minutes: float | None = Field(None, gt=0)
    objective: Literal["miou", "val_loss", "front"] = "miou"
    limits: Limits = Limits()
    sampler: Literal["tpe", "random"] = "tpe"
    scheduler: Literal["hyperband", "none"] = "hyperband"
    space: dict[str, Dimension] | None = None

    @model_validator(mode="before")
    @classmethod
    def _scheduler_of_objective(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        # A section whose fields are all comments arrives as None.
        data = {key: value for key, value in data.items() if value is not None}
        front = data.get("objective") == "front"
        return {"scheduler": "none" if front else "hyperband"} | data


@dataclass(frozen=True)
class SearchRecipe:
    """A recipe file for `segshrink search`.

    Attributes:
        recipe: all fields that are not drawn, and the first values of those that are.
        search: settings of the search, whose `space` is never None. There each
            dimension comes after those that its conditions name, and has the
            conditions of these too.
    """

    recipe: Recipe
    search: SearchSettings

    @property
    def space(self) -> dict[str, Dimension]:
        """The dimensions by place."""
        return self.search.space or {}


def load_search_recipe(path: Path | str) -> SearchRecipe:
    """Read and validate a recipe file, with or without a section `search`.

    Raises:
        RecipeError: if the file is missing, is not a YAML mapping, or has faults; all
            faults are listed in one message.
    """
    return parse_search_recipe(read_recipe_data(path), where=str(path))


def parse_search_recipe(data: Any, where: str = "recipe") -> SearchRecipe:
    """Validate `data` as a recipe with a section `search`.

    The ends of each dimension are tried as well.

    Raises:
        RecipeError: listing every fault with its place; `where` names the origin.
    """
    if not isinstance(data, dict):
        parse_recipe(data, where)
    fields = dict(data)
    section = fields.pop("search", None)
    section = {} if section is None else section
    recipe, faults = _validated(Recipe, fields)
    search, more = _validated(SearchSettings, section, "search")
    faults += more
    if recipe is not None and search is not None and search.space is None:
        search = search.model_copy(update={"space": default_space(recipe, search.of)})
    faults += _contradictions(recipe, search or _without_space(section))
    faults += _space_faults(section, search)
    if recipe is None or search is None or faults:
        raise RecipeError(fault_message(where, faults))
    space = spelt_out(search.space or {})
    faults = end_faults(recipe, space)
    if faults:
        raise RecipeError(fault_message(where, faults))
    return SearchRecipe(recipe, search.model_copy(update={"space": space}))


_S = TypeVar("_S", bound=Settings)


def _validated(
    settings: type[_S], data: Any, section: str = ""
) -> tuple[_S | None, list[str]]:
    try:
        return settings.model_validate(data), []
    except ValidationError as error:
        return None, recipe_faults(error, section)


def _without_space(section: Any) -> SearchSettings:
    """The section without its space, or the defaults if the rest has faults too."""
    rest = section | {"space": None} if isinstance(section, dict) else {}
    search, _ = _validated(SearchSettings, rest)
    return search or SearchSettings()


def _contradictions(recipe: Recipe | None, search: SearchSettings) -> list[str]:
    """Faults of fields that contradict each other, or the recipe."""
    found = []
    if search.of == "teacher":
        given = search.limits.model_dump(exclude_none=True)
        if given:
            found.append(
                f"search.limits: apply to files of students, and this is a search of: "
                f"teacher; drop it (got {given})"
            )
        if search.objective == "front":
            found.append(
                "search.objective: front needs files of students, and this is a "
                "search of: teacher; use miou or val_loss (got 'front')"
            )
        if recipe is not None and recipe.teacher.file is not None:
            found.append(
                "teacher.file: a search of: teacher trains teachers, not one "
                f"from a file; drop it (got {recipe.teacher.file!r})"
            )
    if search.objective == "front" and search.scheduler != "none":
        found.append(
            "search.scheduler: trials with two objectives cannot be stopped early; "
            f"drop it with objective: front (got {search.scheduler!r})"
        )
    return found


def _space_faults(section: Any, search: SearchSettings | None) -> list[str]:
    """Faults of the space, as far as other faults of the section let them show."""
    if search is not None:
        given: Mapping[Any, Any] = search.space or {}
        of: str | None = search.of
        if search.space == {}:
            return ["search.space: names no field; drop it for the default space"]
    else:
        section = section if isinstance(section, dict) else {}
        given = section.get("space")
        given = given if isinstance(given, dict) else {}
        of = section.get("of", "student")
    faults = []
    places = [place for place in given if isinstance(place, str)]
    if of in ("student", "teacher"):
        faults = place_faults(places, of)
    bad = {line.partition(":")[0].removeprefix("search.space.") for line in faults}
    space = {}
    for place in places:
        dimension, _ = _validated(Dimension, given[place])
        if dimension is not None and place not in bad:
            space[place] = dimension
    return faults + space_faults(space, places)


def search_recipe_yaml(search_recipe: SearchRecipe) -> str:
    """The complete recipe and section, as YAML that `load_search_recipe` takes."""
    data = search_recipe.search.model_dump(mode="json")
    data["space"] = {
        place: dimension.as_record() for place, dimension in search_recipe.space.items()
    }
    section = yaml.safe_dump({"search": data}, sort_keys=False)
    return recipe_yaml(search_recipe.recipe) + section
