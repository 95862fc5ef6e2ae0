"""segshrink recipes."""

import json

from e2e.command_line import refused, succeeded
from segshrink.search.space import recipe_schema


def test_the_schema_is_printed_as_json():
    assert json.loads(succeeded("recipes", "--schema")) == recipe_schema()


def test_the_schema_is_of_no_single_recipe():
    message = refused("recipes", "demo", "--schema")
    assert "--schema is of all recipes. Drop" in message
