import numpy as np
import pytest
from keras import layers

from segshrink.errors import UsageError
from segshrink.pruning import apply_channel_masks, plan_pruning

from .networks import chain, images, outputs, small_unet


@pytest.fixture(scope="module")
def unet():
    return small_unet()


def mask(size, *removed):
    values = np.ones(size, dtype=bool)
    values[list(removed)] = False
    return values


def test_masks_of_a_plan_give_the_model_of_the_plan(unet):
    plan = plan_pruning(unet, keep=0.5)
    masks = {
        layer.name: np.isin(np.arange(layer.channels), layer.kept)
        for layer in plan.layers
    }
    smaller, inputs = apply_channel_masks(unet, masks), images(unet)
    np.testing.assert_array_equal(
        outputs(smaller, inputs), outputs(plan.apply(unet), inputs)
    )


def test_layers_of_the_same_group_follow(unet):
    smaller = apply_channel_masks(unet, {"inner_conv": mask(32, 0, 5, 31)})
    assert smaller.get_layer("bottom_conv").filters == 29
    assert smaller.get_layer("up").filters == 16
    kept = np.delete(np.arange(32), [0, 5, 31])
    np.testing.assert_array_equal(
        smaller.get_layer("bottom_conv").kernel.numpy(),
        unet.get_layer("bottom_conv").kernel.numpy()[..., kept],
    )


def test_a_mask_may_stand_on_any_layer_that_passes_channels_on(unet):
    smaller = apply_channel_masks(unet, {"join": mask(32, 3, 16, 20)})
    assert smaller.get_layer("up").filters == 15
    assert smaller.get_layer("down_conv").filters == 14


def test_masks_that_keep_all_change_nothing(unet):
    inputs = images(unet)
    same = apply_channel_masks(unet, {"up": mask(16)})
    np.testing.assert_array_equal(outputs(same, inputs), outputs(unet, inputs))


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"nope": mask(3)}, "does not have: nope. It has: down_conv"),
        ({"up": mask(15)}, r"'up' must be a bool array of shape \(16,\).*\(15,\)"),
        ({"up": np.ones(16)}, r"must be a bool array.*got float64 of \(16,\)"),
        (
            {"bottom_conv": mask(32, 4), "inner_conv": mask(32, 5)},
            "layers 'bottom_conv' and 'inner_conv' disagree on channel 4",
        ),
        (
            {"logits": mask(3, 1)},
            r"Channel 1 of layer 'logits' must stay \(model output\)",
        ),
        ({"up": mask(16, *range(16))}, "leave layer 'up' without channels"),
    ],
)
def test_wrong_masks_are_refused(unet, masks, message):
    with pytest.raises(UsageError, match=message):
        apply_channel_masks(unet, masks)


def test_an_image_cannot_lose_channels():
    model = chain(layers.MaxPooling2D(name="pool"), layers.Conv2D(2, 1))
    with pytest.raises(UsageError, match=r"Channel 0 .*'pool' must stay \(model input"):
        apply_channel_masks(model, {"pool": mask(3, 0)})
