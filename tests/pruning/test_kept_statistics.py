"""Normalizations in `zero` against those of the smaller model, in other precisions."""

import numpy as np
import pytest
from keras import layers

from segshrink.pruning import plan_pruning

from .networks import chain, images, outputs, relative_difference, with_random_weights


@pytest.mark.parametrize(
    ("dtype", "limit"), [("float64", 1e-4), ("mixed_float16", 2e-2)]
)
@pytest.mark.parametrize(
    "layer",
    [
        layers.LayerNormalization,
        layers.RMSNormalization,
        layers.UnitNormalization,
        layers.GroupNormalization,
    ],
)
def test_they_compute_in_the_dtype_of_the_layer(layer, dtype, limit):
    settings = {"groups": 1} if layer is layers.GroupNormalization else {}
    model = with_random_weights(
        chain(
            layers.Conv2D(8, 3, dtype=dtype),
            layer(dtype=dtype, **settings),
            layers.Conv2D(2, 1, dtype=dtype),
        )
    )
    plan, inputs = plan_pruning(model, keep=0.5, multiple_of=1), images(model)
    assert plan.parameters_after < plan.parameters_before
    zeroed, smaller = plan.zero(model), plan.apply(model)
    assert zeroed(inputs).dtype == model(inputs).dtype
    found, expected = outputs(zeroed, inputs), outputs(smaller, inputs)
    assert (
        relative_difference(found.astype(np.float64), expected.astype(np.float64))
        < limit
    )
