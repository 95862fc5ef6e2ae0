"""segshrink recipes."""

from typing import Annotated

import typer

from segshrink.cli.terminal import output
from segshrink.errors import UsageError


def recipes(
    name: Annotated[
        str | None, typer.Argument(help="Recipe to print; without it, all are listed.")
    ] = None,
) -> None:
    """List the recipes that come with segshrink, for --recipe NAME, or print one.

    Example: segshrink recipes demo
    """
    from segshrink.recipe import recipe_file, shipped_recipes
    from segshrink.text_table import columns

    known = shipped_recipes()
    if name is None:
        output.print(columns(("recipe", "for"), known.items()))
        return
    if name not in known:
        raise UsageError(f"{name}: no such recipe. There are {', '.join(known)}.")
    output.out(recipe_file(name).read_text(encoding="utf-8"), end="")
