"""The generated reference names every field, verb and option."""

from pathlib import Path

import pytest
import typer

from segshrink.cli.app import app
from segshrink.recipe import Recipe, Settings
from segshrink.search.space import Dimension, SearchSettings

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
RECIPE = (FOLDER / "recipe.md").read_text(encoding="utf-8")
VERBS = (FOLDER / "verbs.md").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app).commands


def settings_below(settings):
    return {
        settings,
        *(y for x in settings.__subclasses__() for y in settings_below(x)),
    }


SECTIONS = [
    each
    for each in sorted(settings_below(Settings) - {Settings}, key=lambda x: x.__name__)
    if each.__module__.startswith("segshrink.")
]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_field_of_a_section_is_there(section):
    assert {Recipe, SearchSettings, Dimension} <= set(SECTIONS)
    said = section.__doc__.splitlines()[0]
    table = RECIPE.partition(said)[2].partition("\n## ")[0]
    missing = [name for name in section.model_fields if f"\n| `{name}` |" not in table]
    assert missing == []


@pytest.mark.parametrize(
    "row",
    [
        "| `tile_px` | whole number | `256` | ≥ 32, multiple of 32 |",
        "| `batch_size` | whole number, or `auto` | `8` | ≥ 1 |",
        "| `dropout` | number | `0.1` | ≥ 0, < 1 |",
        "| `unlabelled` | text, or list of text | `[]` |  |",
        "| `target` | number | must be given | > 0 |",
        "| `mixing` | `none`, `cutmix`, `mixup`, or null | `null` |  |",
    ],
)
def test_type_default_and_range(row):
    assert f"\n{row}\n" in RECIPE


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_option_of_a_verb_is_there(verb):
    section = VERBS.partition(f"\n## {verb}\n")[2].partition("\n## ")[0]
    for parameter in COMMANDS[verb].params:
        for option in parameter.opts:
            if option.startswith("--") and option != "--help":
                assert f"`{option}`" in section
    assert f"\n    segshrink {verb}" in section
