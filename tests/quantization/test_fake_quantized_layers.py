"""Fake quantization against NumPy loops."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from segshrink.quantization.fake_quantized_layers import (
    LARGEST_WEIGHT,
    FakeQuantizedActivation,
    FakeQuantizedLayer,
    fake_quantize_activation,
    fake_quantize_kernel,
    kernels_of,
)

finite = st.floats(-100, 100, width=32)


def as_numpy(x):
    return keras.ops.convert_to_numpy(x)


def by_integers(x, low, high):
    """As a runtime stores it: an integer from -128 to 127, and back."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32(max((high - low) / 255, 1e-8))
    zero_point = np.round(-128 - np.float32(low) / scale)
    stored = np.clip(np.round(x / scale) + zero_point, -128, 127)
    return (stored - zero_point) * scale, scale


@given(st.lists(finite, min_size=1, max_size=20), finite, finite)
def test_activation_is_what_a_runtime_stores_to_a_step(values, one, other):
    x = np.float32(values)
    low, high = sorted((one, other))
    found = as_numpy(fake_quantize_activation(x, np.float32(low), np.float32(high)))
    expected, scale = by_integers(x, low, high)
    # Where a value lies between two steps, rounding may go either way.
    np.testing.assert_allclose(found, expected, atol=1.01 * scale)
    inside = (x >= min(low, 0)) & (x <= max(high, 0))
    assert (np.abs(found - x)[inside] <= 1.01 * scale).all()


@given(st.floats(-10, 10, width=32), st.floats(-10, 10, width=32))
def test_zero_stays_zero(one, other):
    low, high = sorted((one, other))
    x = np.zeros(3, np.float32)
    found = as_numpy(fake_quantize_activation(x, np.float32(low), np.float32(high)))
    np.testing.assert_array_equal(found, x)


def test_at_most_256_values():
    x = np.linspace(-3, 5, 10_000, dtype=np.float32)
    found = as_numpy(fake_quantize_activation(x, np.float32(-2), np.float32(4)))
    assert 250 <= len(np.unique(found)) <= 256
    assert found.min() >= -2 - 6 / 255 and found.max() <= 4 + 6 / 255


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((3, 3, 4, 5), (3,)), ((3, 3, 4, 2), (2, 3)), ((2, 2, 6, 3), (2,))],
)
@pytest.mark.parametrize("format", LARGEST_WEIGHT)
def test_kernel_has_a_scale_for_each_channel(shape, axes, format):
    largest = LARGEST_WEIGHT[format]
    random = np.random.default_rng(0)
    kernel = random.normal(size=shape) * random.uniform(0.1, 10, shape[-1])
    kernel = kernel.astype(np.float32)
    found = as_numpy(fake_quantize_kernel(kernel, axes, largest=largest))
    moved = np.moveaxis(kernel, axes, range(len(axes)))
    ours = np.moveaxis(found, axes, range(len(axes)))
    for channel in np.ndindex(moved.shape[: len(axes)]):
        weights = moved[channel]
        scale = np.abs(weights).max() / largest
        expected = np.round(weights / scale) * scale
        np.testing.assert_allclose(ours[channel], expected, rtol=1e-4, atol=1e-6)
        assert len(np.unique(ours[channel])) <= 2 * largest + 1


LAYERS = {
    "convolution": lambda: layers.Conv2D(4, 3, padding="same"),
    "grouped": lambda: layers.Conv2D(4, 3, groups=2, padding="same"),
    "without bias": lambda: layers.Conv2D(4, 3, use_bias=False),
    "depthwise": lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
    "transposed": lambda: layers.Conv2DTranspose(4, 2, strides=2),
    "separable": lambda: layers.SeparableConv2D(4, 3),
    "dense": lambda: layers.Dense(4),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("normalized", [False, True])
def test_layer_in_float_computes_layer_and_normalization(name, normalized):
    keras.utils.set_random_seed(1)
    layer = LAYERS[name]()
    x = np.random.default_rng(1).normal(size=(2, 8, 8, 4)).astype(np.float32)
    expected = layer(x)
    norm = None
    if normalized:
        norm = layers.BatchNormalization()
        norm.build(expected.shape)
        random, count = np.random.default_rng(2), expected.shape[-1]
        norm.set_weights([random.uniform(0.5, 2, count) for _ in range(4)])
        expected = norm(expected, training=False)
    rounded = FakeQuantizedLayer(layer, norm)
    rounded.active.assign(0.0)
    np.testing.assert_allclose(
        as_numpy(rounded(x)), as_numpy(expected), rtol=1e-4, atol=1e-5
    )
    rounded.active.assign(1.0)
    error = np.abs(as_numpy(rounded(x)) - as_numpy(expected)).max()
    assert 0 < error < 0.05 * np.abs(as_numpy(expected)).max()
    assert len(kernels_of(layer)) == (2 if name == "separable" else 1)


def test_layer_rounds_the_kernel_that_the_normalization_is_multiplied_into():
    layer = layers.Conv2D(2, 1, use_bias=False)
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 3)).astype(np.float32)
    layer(x)
    norm = layers.BatchNormalization(epsilon=0.0)
    norm.build((1, 4, 4, 2))
    weights = [[2.0, 0.5], [1.0, -1.0], [0.5, 0.25], [4.0, 0.25]]
    norm.set_weights(list(np.float32(weights)))
    kernel = as_numpy(layer.kernel) * np.float32([2 / 2, 0.5 / 0.5])
    scale = np.abs(kernel).max(axis=(0, 1, 2)) / 127
    kernel = np.round(kernel / scale) * scale
    expected = x @ kernel[0, 0] + np.float32([1 - 0.5 * 1, -1 - 0.25 * 1])
    found = as_numpy(FakeQuantizedLayer(layer, norm)(x))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_layer_has_the_variables_of_what_it_computes():
    layer = layers.Conv2D(2, 1)
    layer.build((None, 4, 4, 3))
    rounded = FakeQuantizedLayer(layer)
    ours = {id(variable) for variable in rounded.trainable_variables}
    assert ours == {id(variable) for variable in layer.trainable_variables}


def test_activation_learns_a_range_that_is_too_narrow():
    """What lies beyond the range pulls at its end."""
    layer = FakeQuantizedActivation(-1.0, 1.0)
    images = keras.Input((4,))
    model = keras.Model(images, layer(images))
    model.compile(keras.optimizers.Adam(0.002), loss="mse")
    x = np.random.default_rng(0).uniform(-3, 2, (256, 4)).astype(np.float32)
    before = model.evaluate(x, x, verbose=0)
    model.fit(x, x, epochs=25, verbose=0)
    low, high = layer.ends
    assert -3.3 < low < -2.5 and 1.7 < high < 2.3
    assert model.evaluate(x, x, verbose=0) < 0.02 * before


def test_activation_passes_unchanged_when_not_active():
    layer = FakeQuantizedActivation(-1.0, 1.0)
    x = np.float32([[-5.0, 0.1234, 7.0]])
    layer.active.assign(0.0)
    np.testing.assert_array_equal(as_numpy(layer(x)), x)
    layer.active.assign(1.0)
    assert as_numpy(layer(x)).min() > -1.1
