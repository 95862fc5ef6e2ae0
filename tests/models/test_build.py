import pytest

from segshrink.models import build_model
from segshrink.recipe import CompactSettings, UNetSettings


def test_an_unknown_name_lists_the_known():
    with pytest.raises(ValueError, match="one of unet, compact, got 'fcn'"):
        build_model("fcn", num_classes=2)


@pytest.mark.parametrize("settings", [UNetSettings(), CompactSettings()])
def test_the_sections_of_a_recipe_are_options(settings):
    options = settings.model_dump()
    model = build_model(num_classes=2, input_shape=(32, 32, 3), **options)
    assert model.name == settings.name


def test_options_have_the_defaults_of_the_recipe():
    for settings in (UNetSettings(), CompactSettings()):
        shape = {"num_classes": 2, "input_shape": (32, 32, 3)}
        by_default = build_model(settings.name, **shape)
        by_recipe = build_model(**shape, **settings.model_dump())
        assert by_default.to_json() == by_recipe.to_json()
