"""Recipes by name, and the field that a user probably meant."""

from pathlib import Path

import pytest
import yaml

from segshrink.errors import RecipeError
from segshrink.recipe import (
    Recipe,
    load_recipe,
    parse_recipe,
    read_recipe_data,
    recipe_file,
    shipped_recipes,
)
from segshrink.recipe.nearest import nearest_field
from segshrink.search.space import parse_search_recipe


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_every_recipe_that_comes_along_is_one_and_says_what_for(name):
    assert len(shipped_recipes()[name]) > 20
    data = read_recipe_data(name)
    if "search" in data:
        parse_search_recipe(data, where=name)
    else:
        assert load_recipe(name) == parse_recipe(data)


def test_a_file_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert recipe_file("demo").is_file()
    Path("demo").write_text(yaml.safe_dump({"seed": 7}))
    assert load_recipe("demo").seed == 7
    with pytest.raises(RecipeError, match="comes with segshrink: aerial, .*demo"):
        load_recipe("dmeo")


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("sed", "seed"),
        ("prunning", "student.pruning"),
        ("pruning", "student.pruning"),
        ("keep", "student.pruning.keep"),
        ("teacher.training.epoch", "teacher.training.epochs"),
        ("student.training.epoch", "student.training.epochs"),
        ("teacher.trainning", "teacher.training"),
        ("xyzzy", None),
    ],
)
def test_the_nearest_field_is_named(wrong, meant):
    assert nearest_field(wrong.split("."), Recipe) == meant


def test_the_message_asks_for_it():
    with pytest.raises(RecipeError, match=r"Did you mean student\.pruning\?"):
        parse_recipe({"prunning": {"keep": 0.5}})


def test_a_field_of_another_family_of_models_is_named_with_its_family():
    message = r"width: .*It is a field of name: compact, not of unet"
    with pytest.raises(RecipeError, match=message):
        parse_recipe({"teacher": {"model": {"width": 24}}})
    message = (
        r"dropout: .*It is a field of name: unet and efficientnet_lite, not of comp"
    )
    with pytest.raises(RecipeError, match=message):
        parse_recipe({"teacher": {"model": {"name": "compact", "dropout": 0.1}}})
