"""Reading and writing of recipe files."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from segshrink.errors import Place, RecipeError, fault_lines, fault_message
from segshrink.reading import ReadingFault, read_yaml
from segshrink.recipe.models import families_with
from segshrink.recipe.named import recipe_file, shipped_recipes
from segshrink.recipe.nearest import nearest_field
from segshrink.recipe.recipe import Recipe


def load_recipe(path: Path | str) -> Recipe:
    """Read and validate a recipe file.

    Raises:
        RecipeError: if the file is missing, is not a YAML mapping, or has faults; all
            faults are listed in one message.
    """
    return parse_recipe(read_recipe_data(path), where=str(path))


def read_recipe_data(path: Path | str) -> dict[str, Any]:
    """Read a recipe file without validating its fields; an empty file is `{}`.

    Raises:
        RecipeError: if the file is missing, cannot be read, or is not a YAML mapping
            of at most 1 MiB.
    """
    path = recipe_file(path)
    try:
        data = read_yaml(path)
    except FileNotFoundError:
        raise RecipeError(
            f"{path}: no such file. Name a recipe in YAML, or one that comes "
            f"with segshrink: {', '.join(shipped_recipes())}."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read ({error}).") from error
    except ReadingFault as error:
        raise RecipeError(f"{path}: {error}") from None
    if not isinstance(data, dict | None):
        raise RecipeError(
            f"{path}: a recipe is a mapping of sections, got {type(data).__name__}."
        )
    return data or {}


def parse_recipe(data: Any, where: str = "recipe") -> Recipe:
    """Validate `data` as a recipe; `where` names its origin in messages.

    Raises:
        RecipeError: listing every fault with its place.
    """
    if not isinstance(data, dict):
        raise RecipeError(
            f"{where}: a recipe is a mapping of sections, got {type(data).__name__}."
        )
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        lines = [_name_the_verb_of_search(line) for line in recipe_faults(error)]
        raise RecipeError(fault_message(where, lines)) from None


def recipe_faults(error: ValidationError, section: str = "") -> list[str]:
    """One line per fault of a recipe, or of the settings of one `section` of it."""
    lines = fault_lines(error, whole="recipe", section=section, name=_without_family)
    return [
        _with_nearest(line, fault["type"], fault["loc"])
        for line, fault in zip(lines, error.errors(include_url=False), strict=True)
    ]


def _with_nearest(line: str, kind: str, loc: Place) -> str:
    if kind != "extra_forbidden":
        return line
    place, _, _ = line.partition(":")
    nearest = nearest_field(place.split("."), Recipe)
    if nearest is None:
        return line
    if nearest == place:
        # The field exists, but of another family of models.
        families = " and ".join(families_with(str(loc[-1])))
        return f"{line}. It is a field of name: {families}, not of {loc[-2]}"
    return f"{line}. Did you mean {nearest}?"


def _without_family(place: Place) -> Place:
    # Pydantic names the family between the section and its field.
    is_of_model = place[:2] == ("teacher", "model")
    return place[:2] + place[2:][-1:] if is_of_model else place


def _name_the_verb_of_search(line: str) -> str:
    if not line.startswith("search: "):
        return line
    return "search: only `segshrink search` uses this section: run it, or drop it"


def recipe_yaml(recipe: Recipe) -> str:
    """The complete recipe, defaults included, as YAML that `load_recipe` takes.

    Sections that the chosen kind of teacher or student does not use are left out.
    """
    data = recipe.model_dump(mode="json")
    if recipe.teacher.file is not None:
        del data["teacher"]["model"], data["teacher"]["training"]
    else:
        # `distill` names its teachers beside the recipe.
        for field in ("head", "input_range"):
            if data["teacher"][field] is None:
                del data["teacher"][field]
    for section in ("teacher", "student"):
        if data[section]["architecture"] is None:
            del data[section]["architecture"]
    del data["student"]["model" if recipe.student.kind == "pruned" else "pruning"]
    return yaml.safe_dump(data, sort_keys=False)
