"""segshrink recipes."""

import json
from typing import Annotated

import typer

from segshrink.cli.figures import CsvFile, Figures, JsonFile
from segshrink.cli.options import refuse_idle
from segshrink.cli.terminal import output
from segshrink.errors import UsageError


def recipes(
    name: Annotated[
        str | None, typer.Argument(help="Recipe to print; without it, all are listed.")
    ] = None,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema",
            help="Print the JSON Schema of recipes, by which editors complete and "
            "check them.",
        ),
    ] = False,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
) -> None:
    """List the recipes that come with segshrink, for --recipe NAME, or print one.

    Example: segshrink recipes demo
    """
    figures = Figures(json_file, csv_file)
    from segshrink.recipe import recipe_file, shipped_recipes
    from segshrink.text_table import columns

    if schema:
        if name is not None:
            raise UsageError(f"--schema is of all recipes. Drop {name}.")
        refuse_idle("with --schema, which is JSON", json=json_file, csv=csv_file)
        from segshrink.search.space import recipe_schema

        output.out(json.dumps(recipe_schema(), indent=1))
        return
    known = shipped_recipes()
    if name is None:
        output.print(columns(("recipe", "for"), known.items()))
        rows = [{"recipe": name, "for": purpose} for name, purpose in known.items()]
        figures.write(rows, rows)
        return
    refuse_idle("where a recipe is printed", json=json_file, csv=csv_file)
    if name not in known:
        raise UsageError(f"{name}: no such recipe. There are {', '.join(known)}.")
    output.out(recipe_file(name).read_text(encoding="utf-8"), end="")
