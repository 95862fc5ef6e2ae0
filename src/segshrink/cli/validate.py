"""segshrink validate."""

from pathlib import Path
from typing import Annotated

import typer

from segshrink.cli.figures import CsvFile, Figures, JsonFile, fields_of
from segshrink.cli.terminal import output


def validate(
    recipe: Annotated[Path, typer.Argument(help="Recipe in YAML.")],
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
) -> None:
    """Check a recipe, report all faults at once, and print it with every default.

    A section `search` is checked too, at the ends of each dimension of its space.

    Example: segshrink validate recipes/demo.yaml
    """
    figures = Figures(json_file, csv_file)
    from segshrink.reading import parse_yaml
    from segshrink.recipe import parse_recipe, read_recipe_data, recipe_yaml
    from segshrink.search.space import parse_search_recipe, search_recipe_yaml

    data = read_recipe_data(recipe)
    if "search" in data:
        text = search_recipe_yaml(parse_search_recipe(data, where=str(recipe)))
    else:
        text = recipe_yaml(parse_recipe(data, where=str(recipe)))
    output.out(text, end="")
    # What is printed is the complete recipe, so that the figures are those of the text.
    plain = parse_yaml(text)
    rows = [{"field": place, "value": value} for place, value in fields_of(plain)]
    figures.write(plain, rows)
