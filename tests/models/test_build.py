import pytest

from segshrink.models import build_model
from segshrink.recipe import (
    CompactSettings,
    EfficientNetLiteSettings,
    UNetSettings,
)

ALL = [UNetSettings(), EfficientNetLiteSettings(weights=None), CompactSettings()]


def test_an_unknown_name_lists_the_known():
    with pytest.raises(
        ValueError, match="one of unet, efficientnet_lite, compact, got 'fcn'"
    ):
        build_model("fcn", num_classes=2)


@pytest.mark.parametrize("settings", ALL)
def test_the_sections_of_a_recipe_are_options(settings):
    options = settings.model_dump()
    model = build_model(num_classes=2, input_shape=(32, 32, 3), **options)
    assert model.name == settings.name


def test_options_have_the_defaults_of_the_recipe():
    for settings in ALL:
        shape = {"num_classes": 2, "input_shape": (32, 32, 3)}
        # Weights from ImageNet, the default, need their package.
        fresh = {"weights": None} if hasattr(settings, "weights") else {}
        by_default = build_model(settings.name, **shape, **fresh)
        by_recipe = build_model(**shape, **settings.model_dump())
        assert by_default.to_json() == by_recipe.to_json()
