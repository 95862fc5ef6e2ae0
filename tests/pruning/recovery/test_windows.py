"""Sampled rows times the kernel give what the layer gives."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.pruning.recovery.windows import (
    channels_last,
    is_linear,
    kernel_from_matrix,
    kernel_matrix,
    rows_at,
    window_taps,
)

CASES = [
    (layers.Dense, {}, (4,)),
    (layers.Dense, {}, (3, 2, 4)),
    (layers.Conv1D, {"kernel_size": 4, "padding": "same"}, (9, 4)),
    (
        layers.Conv1D,
        {"kernel_size": 3, "padding": "causal", "dilation_rate": 2},
        (9, 4),
    ),
    (layers.Conv2D, {"kernel_size": 3, "padding": "same", "strides": 2}, (7, 8, 4)),
    (layers.Conv2D, {"kernel_size": (4, 3), "strides": 3}, (10, 8, 4)),
    (layers.Conv2D, {"kernel_size": 3, "dilation_rate": 2}, (9, 8, 4)),
    (layers.Conv3D, {"kernel_size": 2, "padding": "same"}, (3, 4, 3, 2)),
    (layers.Conv1DTranspose, {"kernel_size": 4, "strides": 3}, (4, 3)),
    (layers.Conv2DTranspose, {"kernel_size": 2, "strides": 2}, (4, 3, 4)),
    (layers.Conv2DTranspose, {"kernel_size": 3, "strides": 2}, (4, 3, 4)),
    (
        layers.Conv2DTranspose,
        {"kernel_size": 3, "strides": 2, "padding": "same"},
        (4, 3, 4),
    ),
    (
        layers.Conv2DTranspose,
        {"kernel_size": 5, "strides": 2, "padding": "same"},
        (4, 3, 4),
    ),
    (
        layers.Conv2DTranspose,
        {"kernel_size": 2, "strides": 3, "padding": "same"},
        (4, 3, 4),
    ),
]


@pytest.mark.parametrize(("kind", "settings", "shape"), CASES)
def test_every_output_is_a_row_times_the_kernel(kind, settings, shape):
    layer = kind(5, use_bias=False, **settings)
    inputs = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    expected = keras.ops.convert_to_numpy(layer(inputs)).reshape(-1, 5)
    assert is_linear(layer)
    values = channels_last(layer, inputs)
    taps = window_taps(layer, values.shape[1:-1])
    count = len(expected) // 2
    positions = np.random.default_rng(1).permuted(
        np.tile(np.arange(count), (2, 1)), axis=1
    )
    rows = rows_at(values, taps, positions)
    kernel = keras.ops.convert_to_numpy(layer.kernel)
    matrix = kernel_matrix(layer, kernel)
    found = rows.reshape(len(rows), -1) @ matrix.reshape(-1, 5)
    order = (positions + [[0], [count]]).ravel()
    np.testing.assert_allclose(found, expected[order], atol=1e-5)
    np.testing.assert_array_equal(kernel_from_matrix(layer, matrix), kernel)


def test_channels_may_come_first():
    layer = layers.Conv2D(2, 1, data_format="channels_first")
    inputs = np.arange(24.0).reshape(1, 4, 2, 3)
    values = channels_last(layer, inputs)
    layer.build(inputs.shape)
    rows = rows_at(values, window_taps(layer, (2, 3)), np.array([[4]]))
    np.testing.assert_array_equal(rows[0, 0], inputs[0, :, 1, 1])


@pytest.mark.parametrize(
    "layer",
    [
        layers.DepthwiseConv2D(3),
        layers.SeparableConv2D(3, 3),
        layers.Conv2DTranspose(3, 3, strides=2, output_padding=1),
        layers.Conv2DTranspose(3, 3, dilation_rate=2),
        type("Own", (layers.Conv2D,), {})(3, 3),
        layers.ReLU(),
    ],
    ids=lambda layer: layer.name,
)
def test_what_cannot_be_written_as_a_product_is_left_alone(layer):
    assert not is_linear(layer)
