"""From values by place to a recipe, and back."""

import pytest

from segshrink.errors import RecipeError
from segshrink.recipe import Recipe, parse_recipe
from segshrink.search.space import (
    own_values,
    parse_search_recipe,
    with_values,
)

COMPACT = {"student.kind": "compact"}


def test_values_come_over_the_recipe():
    recipe = parse_recipe({"seed": 3, "student": {"training": {"epochs": 2}}})
    found = with_values(
        recipe,
        {
            "student.training.learning_rate": 0.01,
            "student.distillation.losses.pixel_kl": 2,
            "student.pruning.scope": "global",
        },
    )
    assert found.seed == 3
    assert found.student.training.epochs == 2
    assert found.student.training.learning_rate == 0.01
    assert found.student.distillation.losses == {"pixel_kl": 2.0}
    assert found.student.pruning.scope == "global"
    assert found.student.pruning.keep == 0.3


def test_sections_of_the_other_kind_are_left_out():
    pruned = parse_recipe({"student": {"pruning": {"keep": 0.4}}})
    assert with_values(pruned, COMPACT).student.kind == "compact"
    same = with_values(pruned, {"student.kind": "pruned"})
    assert same.student.pruning.keep == 0.4
    compact = parse_recipe({"student": {"kind": "compact", "model": {"width": 8}}})
    assert with_values(compact, {"student.kind": "pruned"}) == Recipe()
    assert with_values(compact, COMPACT) == compact


def test_sections_of_the_other_family_are_left_out():
    recipe = parse_recipe({"teacher": {"model": {"levels": 3}}})
    family = {"teacher.model.name": "efficientnet_lite"}
    assert with_values(recipe, family).teacher.model.name == "efficientnet_lite"
    same = with_values(recipe, {"teacher.model.name": "unet"})
    assert same.teacher.model.levels == 3


def test_a_budget_takes_the_place_of_the_default_share():
    recipe = parse_recipe({"student": {"pruning": {"criterion": "l1"}}})
    budget = {"student.pruning.budget": {"kind": "macs", "target": 0.5}}
    found = with_values(recipe, budget).student.pruning
    assert (found.keep, found.budget.target, found.criterion) == (None, 0.5, "l1")
    given = parse_recipe({"student": {"pruning": {"keep": 0.5}}})
    with pytest.raises(RecipeError, match="give keep or budget, not both"):
        with_values(given, budget)


def test_values_that_do_not_make_a_recipe():
    with pytest.raises(RecipeError) as caught:
        with_values(Recipe(), {"student.training.epochs": 0, "student.model.width": 8})
    assert str(caught.value).startswith("recipe: 2 faults.") or (
        "student.training.epochs" in str(caught.value)
    )


SPACE = {
    "student.kind": {"choice": ["pruned", "compact"]},
    "student.pruning.keep": {"float": [0.1, 0.6], "when": {"student.kind": "pruned"}},
    "student.model.width": {"int": [8, 64], "step": 8, "when": COMPACT},
    "student.training.batch_size": {"int": [1, 16], "log": True},
    "student.training.weight_decay": {"int": [0, 1]},
}


def own(recipe: dict, space: dict) -> dict | None:
    found = parse_search_recipe(recipe | {"search": {"space": space}})
    return own_values(found.recipe, found.space)


@pytest.mark.parametrize(
    ("student", "values"),
    [
        (
            {"training": {"weight_decay": 1}},
            {"student.kind": "pruned", "student.pruning.keep": 0.3},
        ),
        (
            {"kind": "compact", "training": {"weight_decay": 1}},
            {"student.kind": "compact", "student.model.width": 32},
        ),
        ({"training": {"weight_decay": 0.5}}, None),
        ({"training": {"weight_decay": 1, "batch_size": 32}}, None),
        ({"training": {"weight_decay": 1}, "pruning": {"keep": 0.05}}, None),
    ],
)
def test_own_values(student, values):
    if values is not None:
        shared = {
            "student.training.batch_size": 8,
            "student.training.weight_decay": 1,
        }
        values = values | shared
    assert own({"student": student}, SPACE) == values


def test_own_value_off_the_grid():
    space = {"student.training.batch_size": {"int": [2, 10], "step": 4}}
    student = {"training": {"batch_size": 8}}
    assert own({"student": student}, space) is None
    student = {"training": {"batch_size": 6}}
    assert own({"student": student}, space) == {"student.training.batch_size": 6}


def test_own_choice_is_the_one_that_changes_nothing():
    space = {
        "student.distillation.losses": {"choice": [{"dist": 1}, {"pixel_kl": 2}]},
        "student.training.augmentation.scale_jitter": {
            "choice": [[1, 1], [0.75, 1.333]]
        },
        "student.training.loss": {"choice": [{"dice": 0.5}, {"dice": 1.0}]},
        "student.training.learning_rate": {"choice": ["1e-3", "4e-3"]},
    }
    recipe = {"student": {"distillation": {"losses": {"pixel_kl": 2.0}}}}
    assert own(recipe, space) == {
        "student.distillation.losses": {"pixel_kl": 2},
        "student.training.augmentation.scale_jitter": [0.75, 1.333],
        "student.training.loss": {"dice": 1.0},
        "student.training.learning_rate": "4e-3",
    }
    assert own({"student": {"distillation": {"losses": {"dist": 2}}}}, space) is None


def test_no_number_where_one_is_needed():
    space = {"student.training.patience": {"int": [1, 5]}}
    assert own({}, space) is None


@pytest.mark.parametrize("kind", ["pruned", "compact"])
def test_fields_left_open_count_with_the_values_they_stand_for(kind):
    recipe = {"student": {"kind": kind}}
    stands = parse_recipe(recipe).student.distillation.completed()
    place = "student.distillation"
    space = {f"{place}.supervised": {"float": [0, 2]}}
    losses = {"float": [0.1, 9.0]}
    assert own(recipe, space | {f"{place}.losses.channel_wise": losses}) == {
        f"{place}.supervised": stands.supervised,
        f"{place}.losses.channel_wise": stands.losses["channel_wise"],
    }
    choice = {"choice": [{"dist": 1}, {"channel_wise": 1}]}
    assert own(recipe, {f"{place}.losses": choice}) == {
        f"{place}.losses": stands.losses
    }
    recipe["student"]["distillation"] = {"losses": {"pixel_kl": 1}}
    stands = parse_recipe(recipe).student.distillation.completed()
    space = {f"{place}.temperature": {"float": [0.5, 6]}}
    assert own(recipe, space) == {f"{place}.temperature": stands.temperature}


@pytest.mark.parametrize(
    ("pruning", "scope"),
    [({}, "layer"), ({"budget": {"kind": "macs", "target": 0.5}}, "global")],
)
def test_the_scope_that_goes_with_the_target(pruning, scope):
    space = {"student.pruning.scope": {"choice": ["layer", "global"]}}
    recipe = {"student": {"pruning": pruning}}
    assert own(recipe, space) == {"student.pruning.scope": scope}
