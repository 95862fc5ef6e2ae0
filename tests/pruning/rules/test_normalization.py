"""Rules of normalizations over channels."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.pruning import apply_channel_masks

from ..networks import images, outputs
from .tracing import around, assert_exact, groups_of


@pytest.mark.parametrize(
    ("layer", "units"),
    [
        (layers.LayerNormalization(), 8),
        (layers.RMSNormalization(), 8),
        (layers.UnitNormalization(), 8),
        (layers.GroupNormalization(groups=1), 8),
        (layers.GroupNormalization(groups=2), 4),
        (layers.GroupNormalization(groups=8), 8),
        (layers.GroupNormalization(groups=-1), 8),
    ],
    ids=lambda value: type(value).__name__,
)
def test_normalizations_over_channels_count_the_kept_ones(layer, units):
    model = around([type(layer).from_config(layer.get_config())])
    assert groups_of(model) == {("first",): units}
    assert_exact(model)


def test_layer_normalization_of_what_stays_by_hand():
    model = around([layers.LayerNormalization(name="norm")])
    keep = np.arange(8) % 2 == 0
    smaller, inputs = apply_channel_masks(model, {"first": keep}), images(model)
    first = keras.Model(model.inputs[0], model.get_layer("first").output)
    x = outputs(first, inputs)[..., keep]
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3)
    norm, last = model.get_layer("norm"), model.get_layer("last")
    gamma, beta, kernel, bias = (
        keras.ops.convert_to_numpy(w) for w in (*norm.weights, *last.weights)
    )
    expected = (x * gamma[keep] + beta[keep]) @ kernel[0, 0, keep] + bias
    np.testing.assert_allclose(outputs(smaller, inputs), expected, rtol=1e-4, atol=1e-4)
