"""Fields of the recipe by their dotted places."""

import pytest

from segshrink.recipe import parse_recipe
from segshrink.search.space.fields import (
    as_yaml,
    fields_of,
    literals_of,
    types_of,
    value_at,
)


def test_fields_by_place():
    assert float in types_of("student.distillation.losses.pixel_kl")
    assert not types_of("student.distillation.losses.kl")
    assert not types_of("student.kind.pruned")
    assert not types_of("")
    assert types_of("teacher.model.variant") and types_of("teacher.model.levels")
    assert types_of("student.pruning.budget.target") == (float,)
    assert literals_of("student.pruning.scope") == ("global", "layer", None)
    assert literals_of("student.training.epochs") is None
    assert literals_of("student.pruning.budget") is None
    assert fields_of("student")[:3] == ("kind", "architecture", "pruning")
    assert "variant" in fields_of("teacher.model")
    assert fields_of("seed") == ()


def test_value_at_a_place():
    recipe = parse_recipe({"student": {"distillation": {"losses": {"dist": 2}}}})
    assert value_at(recipe, "student.distillation.losses.dist") == 2.0
    assert value_at(recipe, "student.distillation.losses.pixel_kl") is None
    assert value_at(recipe, "student.pruning.budget.target") is None
    jitter = "teacher.training.augmentation.scale_jitter"
    assert value_at(recipe, jitter) == [0.75, 1.333]
    assert value_at(recipe, "student.model") == {
        "name": "compact",
        "width": 32,
        "stem_stride": 2,
        "logits_stride": None,
        "blocks": [1, 2, 3, 3],
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1e-3, "0.001"),
        ("pruned", "pruned"),
        ("3", "'3'"),
        ((1, 2), "[1, 2]"),
        ({"dist": 1, "a": [None]}, "{dist: 1, a: [null]}"),
    ],
)
def test_values_as_a_recipe_spells_them(value, text):
    assert as_yaml(value) == text
