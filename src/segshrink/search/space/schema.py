"""The JSON Schema of recipe files, by which editors complete and check them."""

from collections.abc import Mapping
from typing import Any

from pydantic import create_model

from segshrink.recipe import Recipe
from segshrink.search.space.section import SearchSettings

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def recipe_schema() -> Mapping[str, Any]:
    """The schema of a recipe file, its section `search` included.

    It holds names, types and ranges of all fields. What two fields say together, such
    as `keep` beside `budget`, only `segshrink validate` checks.
    """
    whole = create_model(
        "Recipe", __base__=Recipe, search=(SearchSettings | None, None)
    )
    schema = _one_or_more(whole.model_json_schema())
    return {"$schema": _DRAFT, **schema, "description": Recipe.__doc__}


def _one_or_more(schema: Any) -> Any:
    """The schema with `anyOf` in place of `oneOf`.

    A model whose `name` is left out may be of several families.
    """
    if isinstance(schema, list):
        return [_one_or_more(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        "anyOf" if key == "oneOf" else key: _one_or_more(value)
        for key, value in schema.items()
    }
