"""Arguments that several verbs share, and how they are merged into a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segshrink.errors import RecipeError, UsageError
from segshrink.formats import InputRange

if TYPE_CHECKING:
    from segshrink.recipe import Recipe
    from segshrink.search.space import SearchRecipe

Data = Annotated[
    str, typer.Argument(help="Folder of images and masks, or 'synthetic'.")
]
Out = Annotated[Path, typer.Option("--out", help="Where to write.")]
RecipeFile = Annotated[
    Path | None,
    typer.Option(
        "--recipe",
        help="Recipe in YAML, or one that comes with segshrink; see `recipes`.",
    ),
]
SplitFile = Annotated[
    Path | None,
    typer.Option("--split", help="JSON or YAML file: train, val, test -> scenes."),
]
LayoutName = Annotated[
    str | None,
    typer.Option(
        "--layout",
        help="How the folder is arranged, if it is not recognised, such as folders, "
        "voc, coco; see docs/reference/data.md.",
    ),
]
SnapColors = Annotated[
    bool,
    typer.Option(
        "--snap-colors",
        help="Take each pixel of a mask for the nearest of the classes' codes: for "
        "masks that were compressed or resized.",
    ),
]
ResizeMasks = Annotated[
    bool,
    typer.Option(
        "--resize-masks",
        help="Resize masks of another size than their image, by the nearest pixel.",
    ),
]
Head = Annotated[
    str | None,
    typer.Option(
        "--head",
        help="Output of a Keras model that gives the classes, by name or number, if it "
        "has several.",
    ),
]
InputRangeName = Annotated[
    InputRange | None,
    typer.Option(
        "--input-range",
        metavar="RANGE",
        help=f"Range of the images that the model was trained on "
        f"({', '.join(InputRange)}), where it does not scale them itself; files take "
        "0-255 always.",
    ),
]
Architecture = Annotated[
    Path | None,
    typer.Option(
        "--architecture",
        metavar="MODEL.py",
        help="Python file whose function build() returns the Keras model, for a file "
        "that holds only weights, or whose own layers are not read. Its code is run.",
    ),
]
Unlabelled = Annotated[
    list[str] | None,
    typer.Option(
        "--unlabelled",
        help="Folder of images without labels, on which only the teacher counts; with "
        "'synthetic' also synthetic:300. Repeatable.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Set a field of the recipe, such as data.tile_px=64. Repeatable.",
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
Devices = Annotated[
    str,
    typer.Option(
        "--devices",
        metavar="N",
        help="Accelerators that each step is divided among: a number, or all. "
        "Needs the JAX backend.",
    ),
]
Threads = Annotated[
    int, typer.Option("--threads", min=1, max=1024, help="Threads to run with.")
]


def refuse_idle(reason: str, **options: object) -> None:
    """Refuse options that were given but would have no effect.

    Args:
        reason: when they have none, such as `"without --data"`.
        **options: values by the name of the option; None if it was not given.

    Raises:
        UsageError: naming the options that were given.
    """
    given = [
        f"--{name.replace('_', '-')}"
        for name, value in options.items()
        if value is not None
    ]
    if given:
        have, them = ("has", "it") if len(given) == 1 else ("have", "them")
        raise UsageError(
            f"{' and '.join(given)} {have} no effect {reason}. Drop {them}."
        )


def with_masks(
    settings: list[str] | None, *, snap_colors: bool, resize_masks: bool
) -> list[str]:
    """Settings of a recipe, then those of `--snap-colors` and `--resize-masks`."""
    flags = {"data.snap_colors": snap_colors, "data.resize_masks": resize_masks}
    return [*(settings or []), *(f"{name}=true" for name, on in flags.items() if on)]


def device_count(text: str) -> int:
    """The number that `--devices` gives; 0 for all.

    Raises:
        UsageError: if it is neither a number above 0 nor "all".
    """
    if text == "all":
        return 0
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--devices must be a number above 0, or all, got {text}.")
    return int(text)


def refuse_unknown_part(part: str | None) -> None:
    """Refuse a `--part` that files are not measured on."""
    if part not in (None, "val", "test"):
        raise UsageError(f"--part must be val or test, got {part}.")


def assemble_recipe(
    data: str,
    recipe: Path | None,
    settings: list[str] | None,
    *,
    split: Path | None = None,
    seed: int | None = None,
    unlabelled: list[str] | None = None,
    baselines: bool | None = None,
) -> Recipe:
    """Merge the recipe file, `--set` and the flags, and validate the result.

    A setting overrides the file, and a flag overrides both.

    Raises:
        RecipeError: listing all faults, or naming a flag that contradicts the file.
    """
    from segshrink.recipe import parse_recipe

    flags = {
        "data.source": _without_end_slash(data),
        "data.split": None if split is None else str(split),
        "data.unlabelled": [_without_end_slash(each) for each in unlabelled or []]
        or None,
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
    search: Mapping[str, object],
) -> SearchRecipe:
    """As `assemble_recipe`, with flags for fields of the section `search`.

    Args:
        data: folder or `"synthetic"`.
        recipe: recipe file.
        settings: values of `--set`.
        split: file that names the parts.
        seed: seed of training.
        search: flags by the field of the section that they set; None if not given.

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
    recipe: Path | None, settings: list[str] | None, flags: Mapping[str, object]
) -> dict[str, object]:
    from segshrink.recipe import read_recipe_data

    merged: dict[str, object] = read_recipe_data(recipe) if recipe else {}
    for setting in settings or []:
        _put(merged, setting)
    for place, value in flags.items():
        if value is not None:
            _place(merged, place.split("."), value, place)
    return merged


def _without_end_slash(source: str) -> str:
    # Shells complete a folder's name with a slash. It is the same folder, and a run
    # that resumes compares recipes. Path() would take "./" from "./synthetic", too.
    from segshrink.data.generated import SOURCE_NAME

    bare = source.rstrip("/") or source
    is_folder = bare != source and bare == SOURCE_NAME
    return f"./{bare}" if is_folder else bare


def _put(merged: dict[str, object], setting: str) -> None:
    from segshrink.reading import ReadingFault, parse_yaml

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
        value = parse_yaml(text)
    except ReadingFault:
        raise RecipeError(f"--set {setting}: {text!r} is not a YAML value.") from None
    _place(merged, place.split("."), value, place)


def _place(
    merged: dict[str, object], keys: list[str], value: object, place: str
) -> None:
    section = merged
    for key in keys[:-1]:
        # A section whose fields are all commented out is None in YAML.
        if section.get(key) is None:
            section[key] = {}
        inner = section[key]
        if not isinstance(inner, dict):
            raise RecipeError(f"{place}: {key} is a value and has no fields.")
        section = inner
    section[keys[-1]] = value
