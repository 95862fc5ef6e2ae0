"""Arguments that several verbs share, and how they become a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segshrink.errors import RecipeError, UsageError

if TYPE_CHECKING:
    from segshrink.recipe import Recipe
    from segshrink.search.space import SearchRecipe

Data = Annotated[
    str, typer.Argument(help="Folder of images and masks, or 'synthetic'.")
]
Out = Annotated[Path, typer.Option("--out", help="Where to write.")]
RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", help="Recipe in YAML; see `validate`.")
]
SplitFile = Annotated[
    Path | None,
    typer.Option("--split", help="JSON or YAML file: train, val, test -> scenes."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Recipe field, e.g. --set student.pruning.keep=0.5. Repeatable."
    ),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", help="Seed of training; the split has data.split_seed."),
]
SplitSeed = Annotated[
    int | None,
    typer.Option(
        "--split-seed",
        min=0,
        help="Seed of the split, where neither --split nor the data set gives one: "
        "data.split_seed of the recipe (0).",
    ),
]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads to run with.")]


def require_protocol(name: str) -> None:
    """Refuse a `--protocol` that does not exist."""
    if name != "random-patch":
        raise UsageError(
            f"--protocol must be random-patch, got {name}. Without it, scenes are held "
            "out whole."
        )


def require_use_of_split_seed(
    split_seed: int | None, data: str | None, split: Path | None
) -> None:
    """Refuse a `--split-seed` that chooses nothing."""
    if split_seed is None:
        return
    if data is None:
        raise UsageError("--split-seed has no effect without --data.")
    # Of generated scenes it is the seed that they are drawn by, too.
    if split is not None and data != "synthetic":
        raise UsageError("--split-seed has no effect with --split. Leave it out.")


def assemble_recipe(
    data: str,
    recipe: Path | None,
    settings: list[str] | None,
    *,
    split: Path | None = None,
    seed: int | None = None,
    baselines: bool | None = None,
) -> Recipe:
    """The recipe file, then `--set`, then the flags, validated as a whole.

    Raises:
        RecipeError: listing all faults, or naming a flag that contradicts the file.
    """
    from segshrink.recipe import parse_recipe

    flags = {
        "data.source": _without_end_slash(data),
        "data.split": None if split is None else str(split),
        "seed": seed,
        "baselines": baselines,
    }
    merged = _merged(recipe, settings, flags)
    return parse_recipe(merged, where=str(recipe) if recipe else "recipe")


def assemble_search(
    data: str,
    recipe: Path | None,
    settings: list[str] | None,
    *,
    split: Path | None,
    seed: int | None,
    search: dict[str, Any],
) -> SearchRecipe:
    """As `assemble_recipe`, with flags for fields of the section `search`.

    Raises:
        RecipeError: listing all faults.
    """
    from segshrink.search.space import parse_search_recipe

    flags = {
        "data.source": _without_end_slash(data),
        "data.split": None if split is None else str(split),
        "seed": seed,
        **{f"search.{place}": value for place, value in search.items()},
    }
    merged = _merged(recipe, settings, flags)
    return parse_search_recipe(merged, where=str(recipe) if recipe else "recipe")


def _merged(
    recipe: Path | None, settings: list[str] | None, flags: dict[str, Any]
) -> dict[str, Any]:
    from segshrink.recipe import read_recipe_data

    merged: dict[str, Any] = read_recipe_data(recipe) if recipe else {}
    for setting in settings or []:
        _put(merged, setting)
    for place, value in flags.items():
        if value is not None:
            _place(merged, place.split("."), value, place)
    return merged


def _without_end_slash(source: str) -> str:
    # Shells complete a folder's name with a slash, but it is the same folder, and a
    # run that is continued compares recipes. Path() would make "./synthetic" another.
    from segshrink.data.generated import SOURCE_NAME

    bare = source.rstrip("/") or source
    is_folder = bare != source and bare == SOURCE_NAME
    return f"./{bare}" if is_folder else bare


def _put(merged: dict[str, Any], setting: str) -> None:
    import yaml

    place, equals, text = setting.partition("=")
    if not equals or not place:
        raise RecipeError(
            f"--set {setting}: must be FIELD=VALUE, such as student.pruning.keep=0.5."
        )
    if place == "data.source":
        raise RecipeError(
            f"--set {setting}: has no effect, since the data set is an argument of its "
            "own. Name it there."
        )
    try:
        value = yaml.safe_load(text)
    # A date that no calendar has is a plain ValueError.
    except (yaml.YAMLError, ValueError):
        raise RecipeError(f"--set {setting}: {text!r} is not a YAML value.") from None
    _place(merged, place.split("."), value, place)


def _place(merged: dict[str, Any], keys: list[str], value: Any, place: str) -> None:
    section = merged
    for key in keys[:-1]:
        # A section whose fields are all comments arrives as None.
        if section.get(key) is None:
            section[key] = {}
        section = section[key]
        if not isinstance(section, dict):
            raise RecipeError(f"{place}: {key} is a value and holds no fields.")
    section[keys[-1]] = value
