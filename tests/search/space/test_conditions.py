"""Conditions of a dimension, and of those that they name."""

from segshrink.recipe import Recipe, parse_recipe
from segshrink.search.space import Dimension, is_active, parse_search_recipe

COMPACT = {"student.kind": "compact"}


def test_conditions_look_at_values_before_the_recipe():
    dimension = Dimension(choice=(1, 2), when={"student.kind": ["compact"], "seed": 0})
    assert not is_active(dimension, {}, Recipe())
    assert is_active(dimension, COMPACT, Recipe())
    assert not is_active(dimension, COMPACT, parse_recipe({"seed": 1}))
    assert not is_active(dimension, COMPACT | {"seed": False}, Recipe())


def test_a_condition_on_an_inactive_field_does_not_hold():
    """This is so even if the recipe has the value that the condition names."""
    space = {
        "student.training.patience": {
            "choice": [1, 2],
            "when": {"student.pruning.criterion": ["l1", "l2"]},
        },
        "student.pruning.criterion": {
            "choice": ["l1", "random"],
            "when": {"student.kind": "pruned"},
        },
        "student.kind": {"choice": ["pruned", "compact"]},
    }
    space["student.training.patience"]["when"]["student.pruning.criterion"] = "l1"
    recipe = {"student": {"pruning": {"criterion": "l1"}}}
    found = parse_search_recipe(recipe | {"search": {"space": space}})
    assert list(found.space) == [
        "student.kind",
        "student.pruning.criterion",
        "student.training.patience",
    ]
    patience = found.space["student.training.patience"]
    assert not is_active(patience, COMPACT, found.recipe)
    pruned = {"student.kind": "pruned", "student.pruning.criterion": "l1"}
    assert is_active(patience, pruned, found.recipe)
