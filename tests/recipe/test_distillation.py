"""What the section `student.distillation` of a recipe stands for."""

import pytest

from segshrink.errors import RecipeError
from segshrink.recipe import DistillationSettings, parse_recipe

GIVEN = (
    {"losses": {"dist": 0.3}},
    {"losses": {"feature_hint": 2.0}},
    {"losses": {"pixel_kl": 1.0}, "temperature": 5.0},
    {"losses": {"pixel_kl": 1.0, "feature_hint": 1.0}, "layers": ("encoder",)},
    {"supervised": 0.0},
    {"supervised": 1.0, "fade": True},
    {"losses": {"soft_dice": 1.0}, "boundary_weight": 3.0},
    {"cache": False},
    {"cache_mb": 3.0, "cache_views": 2},
)


def test_an_empty_section_compares_logits_by_channels_beside_the_labels():
    chosen = DistillationSettings().completed()
    assert chosen.losses == {"channel_wise": 1.0}
    assert chosen.supervised == 1.0
    # The rest is as it was.
    rest = {"losses", "supervised"}
    assert chosen.model_dump(exclude=rest) == (
        DistillationSettings().model_dump(exclude=rest)
    )


@pytest.mark.parametrize("given", GIVEN)
def test_what_is_given_stays(given):
    chosen = DistillationSettings(**given).completed().model_dump()
    assert {name: chosen[name] for name in given} == given


@pytest.mark.parametrize("given", ({}, *GIVEN))
def test_what_is_completed_is_a_recipes_section_and_complete(given):
    chosen = DistillationSettings(**given).completed()
    assert DistillationSettings.model_validate(chosen.model_dump()) == chosen
    assert chosen.completed() == chosen
    assert chosen.losses and chosen.supervised is not None
    assert (chosen.temperature is None) == ("pixel_kl" not in chosen.losses)


def test_completing_leaves_the_settings_as_they_are():
    settings = DistillationSettings(losses={"dist": 1.0})
    settings.completed().losses["soft_dice"] = 1.0
    assert settings == DistillationSettings(losses={"dist": 1.0})


@pytest.mark.parametrize("mixing", ["cutmix", "mixup", "none"])
@pytest.mark.parametrize("batch_size", [1, 2, "auto"])
def test_tiles_are_mixed_with_others_of_their_batch(mixing, batch_size):
    student = {
        "distillation": {"mixing": mixing},
        "training": {"batch_size": batch_size},
    }
    if mixing != "none" and batch_size == 1:
        with pytest.raises(RecipeError, match=f"{mixing} mixes a tile with another"):
            parse_recipe({"student": student})
    else:
        parse_recipe({"student": student})
