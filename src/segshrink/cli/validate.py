"""segshrink validate."""

from pathlib import Path
from typing import Annotated

import typer

from segshrink.cli.terminal import output


def validate(
    recipe: Annotated[Path, typer.Argument(help="Recipe in YAML.")],
) -> None:
    """Check a recipe, all faults at once, and print it with every default.

    Example: segshrink validate recipes/demo.yaml
    """
    from segshrink.recipe import load_recipe, recipe_yaml

    output.out(recipe_yaml(load_recipe(recipe)), end="")
