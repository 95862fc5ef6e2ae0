"""The JSON Schema of recipes accepts and refuses what the recipe itself does."""

from pathlib import Path

import jsonschema
import pytest

from segshrink.errors import RecipeError
from segshrink.recipe import read_recipe_data, shipped_recipes
from segshrink.search.space import parse_search_recipe, recipe_schema

RECIPES = Path(__file__).parents[3] / "recipes"
VALID = [
    {},
    {"teacher": {"model": {"dropout": 0.3}}},
    {"teacher": {"file": ["a.onnx", "b.keras"]}, "student": {"kind": "compact"}},
    {"data": {"source": "photos", "unlabelled": "more"}},
    {"student": {"training": {"batch_size": "auto"}}},
    {"student": {"distillation": {"losses": {"pixel_kl": 1.0}}}},
]
FAULTY = [
    {"sudent": {}},
    {"teacher": {"training": {"epochs": 0}}},
    {"teacher": {"model": {"name": "resnet"}}},
    {"student": {"training": {"batch_size": 0}}},
    {"student": {"distillation": {"losses": {"pixel_lk": 1.0}}}},
    {"data": {"tile_px": 100}},
    {"search": {"trials": "many"}},
]


@pytest.fixture(scope="module")
def schema():
    found = recipe_schema()
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_are_valid(schema, name):
    schema.validate(read_recipe_data(RECIPES / f"{name}.yaml"))


@pytest.mark.parametrize("recipe", VALID, ids=str)
def test_what_a_recipe_may_say_is_valid(schema, recipe):
    parse_search_recipe(recipe)
    schema.validate(recipe)


@pytest.mark.parametrize("recipe", FAULTY, ids=str)
def test_faults_of_single_fields_are_found(schema, recipe):
    with pytest.raises(RecipeError):
        parse_search_recipe(recipe)
    assert not schema.is_valid(recipe)
