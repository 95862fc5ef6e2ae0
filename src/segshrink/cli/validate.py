"""segshrink validate."""

from pathlib import Path
from typing import Annotated

import typer

from segshrink.cli.terminal import output


def validate(
    recipe: Annotated[Path, typer.Argument(help="Recipe in YAML.")],
) -> None:
    """Check a recipe, report all faults at once, and print it with every default.

    A section `search` is checked too, at the ends of each dimension of its space.

    Example: segshrink validate recipes/demo.yaml
    """
    from segshrink.recipe import parse_recipe, read_recipe_data, recipe_yaml
    from segshrink.search.space import parse_search_recipe, search_recipe_yaml

    data = read_recipe_data(recipe)
    if "search" in data:
        text = search_recipe_yaml(parse_search_recipe(data, where=str(recipe)))
    else:
        text = recipe_yaml(parse_recipe(data, where=str(recipe)))
    output.out(text, end="")
