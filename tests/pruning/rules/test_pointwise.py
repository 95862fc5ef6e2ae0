"""Rules of layers that treat every value, or every channel, by itself."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.errors import UsageError
from segshrink.pruning import apply_channel_masks

from .tracing import around, assert_exact, groups_of, reasons_of


@pytest.mark.parametrize(
    "layer",
    [
        layers.Activation("relu"),
        layers.Activation(keras.activations.gelu),
        layers.ReLU(6.0),
        layers.LeakyReLU(),
        layers.ELU(),
        layers.CenterCrop(4, 4),
        layers.PReLU(shared_axes=[1, 2]),
        layers.BatchNormalization(),
        layers.Dropout(0.5),
        layers.SpatialDropout2D(0.5),
        layers.GaussianNoise(0.1),
        layers.GaussianDropout(0.1),
        layers.AlphaDropout(0.1),
        layers.ActivityRegularization(0.1),
        layers.Identity(),
        layers.Rescaling(0.5, offset=1.0),
        layers.MaxPooling2D(),
        layers.AveragePooling2D(2),
        layers.UpSampling2D(interpolation="bilinear"),
        layers.Resizing(5, 7),
        layers.ZeroPadding2D(1),
        layers.Cropping2D(1),
        layers.DepthwiseConv2D(3),
        layers.Dropout(0.5, noise_shape=(None, 1, 1, 1)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_channel_passes_through_by_itself(layer):
    model = around([type(layer).from_config(layer.get_config())])
    (layers_of_group, units), *others = groups_of(model).items()
    assert (layers_of_group[0], units, others) == ("first", 8, [])
    assert assert_exact(model).get_layer("last").input.shape[-1] == 4


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (layers.LayerNormalization(axis=[1, 2], name="m"), "it normalizes other axes"),
        (layers.UnitNormalization(axis=1, name="m"), "it normalizes other axes"),
        (layers.Softmax(name="m"), "it compares all channels"),
        (layers.Activation("softmax", name="m"), "activation softmax is not known"),
        (layers.Activation(keras.ops.abs, name="m"), "activation abs is not"),
        (layers.Rescaling([1.0] * 8, name="m"), "scales each channel by a constant"),
        (layers.Dropout(0.5, noise_shape=(None, 1, 1, 8), name="m"), "noise_shape"),
        (layers.BatchNormalization(axis=1, name="m"), "it reads axis 1 across"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_layer_that_mixes_channels_freezes_them_with_a_reason(layer, reason):
    frozen = reasons_of(around([layer]))
    assert frozen["first"].startswith(f"m ({type(layer).__name__}): ")
    assert reason in frozen["first"]


def test_masks_of_a_layer_without_traced_channels_are_refused():
    model = around([layers.Softmax(name="opaque")])
    with pytest.raises(UsageError, match="'opaque' cannot be masked. .*compares"):
        apply_channel_masks(model, {"opaque": np.ones(8, bool)})
