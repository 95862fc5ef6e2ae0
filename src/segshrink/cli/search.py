"""segshrink search."""

from typing import Annotated

import typer

from segshrink.cli.options import (
    Data,
    Out,
    RecipeFile,
    Seed,
    Settings,
    SplitFile,
    assemble_recipe,
)
from segshrink.cli.terminal import TerminalProgress, load_keras, output


def search(
    data: Data,
    out: Out,
    trials: Annotated[int, typer.Option(min=1, help="Students to try in all.")] = 10,
    recipe: RecipeFile = None,
    split: SplitFile = None,
    settings: Settings = None,
    seed: Seed = None,
) -> None:
    """Search how to prune and distil a student under the recipe's share of channels.

    One teacher is trained; each trial prunes and distils it anew. OUT gets best.yaml,
    a recipe for `compress`, and study.log, an Optuna journal. The same command goes on.

    Example: segshrink search synthetic --out runs/search --trials 8
    """
    chosen = assemble_recipe(data, recipe, settings, split=split, seed=seed)
    load_keras()
    from segshrink.searching import search_student

    best = search_student(chosen, out, trials=trials, progress=TerminalProgress())
    output.out(f"Best validation mean IoU {best.miou:.3f} in trial {best.trial}")
    for name, value in best.values.items():
        output.out(f"  {name}: {value}")
    output.out(f"Recipe: {best.recipe}")
