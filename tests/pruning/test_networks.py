"""What pruning leaves of whole networks at its default settings, and in both formats.

The networks, and the promise on each of them, are those of
`test_segmentation_networks.py`.
"""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.models.calls import operations_by_path
from segshrink.pruning import FrozenChannels, plan_pruning

from .networks import relative_difference
from .segmentation_networks import (
    CLASSES,
    NETWORKS,
    SIDE,
    conv,
    deeplab,
    image,
    join,
    layers_that_make_classes,
    logits,
)
from .test_segmentation_networks import assert_same, outputs_of, random_inputs


def plain_unet():
    """A U-Net in the data format that Keras is set to, unlike `build_model`'s."""
    inputs = image()
    x, skips = inputs, []
    for width in (16, 32):
        x = conv(x, width)
        skips.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = conv(x, 64)
    for width in (32, 16):
        x = layers.Conv2DTranspose(width, 2, strides=2)(x)
        x = conv(join(x, skips.pop()), width)
    return logits(inputs, x)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    return NETWORKS[request.param]()


@pytest.fixture
def in_both_formats():
    """Builds a network for channels last and for channels first, of equal weights."""
    set_format = keras.config.set_image_data_format

    def build_both(build):
        set_format("channels_last")
        last = build()
        set_format("channels_first")
        return last, build()

    before = keras.config.image_data_format()
    yield build_both
    set_format(before)


def widths(model):
    """Output channels of the convolutions and dense layers that a user wrote."""
    operations = operations_by_path(model).items()
    found = {
        path: getattr(operation, "filters", getattr(operation, "units", None))
        for path, operation in operations
    }
    return {path: width for path, width in found.items() if width is not None}


def test_every_layer_but_those_of_the_outputs_loses_channels(network):
    plan = plan_pruning(network, keep=0.5, multiple_of=1)
    outputs = layers_that_make_classes(network)
    assert outputs
    assert {frozen.layer for frozen in plan.frozen} == outputs
    whole = {layer.name for layer in plan.layers if len(layer.kept) == layer.channels}
    assert whole == outputs


def test_no_convolution_or_dense_layer_escapes_the_plan(network):
    smaller = plan_pruning(network, keep=0.5, multiple_of=1).apply(network)
    before, after = widths(network), widths(smaller)
    assert before.keys() == after.keys()
    whole = {path for path, width in before.items() if after[path] == width}
    assert whole == layers_that_make_classes(network)
    assert all(after[path] <= width for path, width in before.items())


def test_half_of_the_units_at_default_settings(network):
    plan = plan_pruning(network, keep=0.5)
    smaller = plan.apply(network)
    assert smaller.count_params() == plan.parameters_after
    assert smaller.count_params() < 0.6 * network.count_params()
    for group in plan.groups:
        kept = len(group.kept)
        if group.units <= 8:
            assert kept == group.units
        else:
            assert kept % 8 == 0 and abs(kept - group.units / 2) <= 4
    assert_same(smaller, plan.zero(network))


@pytest.mark.parametrize("build", [plain_unet, deeplab])
def test_the_same_channels_leave_in_both_formats(in_both_formats, build):
    last, first = in_both_formats(build)
    assert first.output_shape == (None, CLASSES, SIDE, SIDE)
    of_last, of_first = (plan_pruning(model, keep=0.5) for model in (last, first))
    kept = [group.kept for group in of_last.groups]
    assert kept == [group.kept for group in of_first.groups]
    assert of_first.frozen == (FrozenChannels("logits", CLASSES, "model output"),)
    assert of_first.parameters_after == of_last.parameters_after
    assert of_first.parameters_after < 0.6 * first.count_params()


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow",
    reason="TensorFlow convolves channels first on accelerators only",
)
@pytest.mark.parametrize("build", [plain_unet, deeplab])
def test_the_smaller_models_of_both_formats_agree(in_both_formats, build):
    last, first = in_both_formats(build)
    smaller = plan_pruning(first, keep=0.5).apply(first)
    assert_same(smaller, plan_pruning(first, keep=0.5).zero(first))
    inputs = random_inputs(smaller)
    expected = outputs_of(
        plan_pruning(last, keep=0.5).apply(last), np.moveaxis(inputs, 1, -1)
    )[0]
    found = np.moveaxis(outputs_of(smaller, inputs)[0], 1, -1)
    assert relative_difference(found, expected) < 1e-4
