"""Recipe files with a section `search`: which fields are drawn, from which values."""

from segshrink.records.search import Limits
from segshrink.search.space.conditions import is_active
from segshrink.search.space.default_space import default_space
from segshrink.search.space.dimension import Dimension
from segshrink.search.space.schema import recipe_schema
from segshrink.search.space.section import (
    SearchRecipe,
    SearchSettings,
    load_search_recipe,
    parse_search_recipe,
    search_recipe_yaml,
)
from segshrink.search.space.values import own_values, with_values

__all__ = [
    "Dimension",
    "Limits",
    "SearchRecipe",
    "SearchSettings",
    "default_space",
    "is_active",
    "load_search_recipe",
    "own_values",
    "parse_search_recipe",
    "recipe_schema",
    "search_recipe_yaml",
    "with_values",
]
