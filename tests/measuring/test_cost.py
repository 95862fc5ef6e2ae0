"""Multiply-accumulates against counts by hand."""

import keras
import pytest
from keras import layers

from segshrink.measuring import ModelSize, count_macs


def macs_of(layer, shape=(8, 6, 4)):
    image = keras.Input(shape)
    return count_macs(keras.Model(image, layer(image))).macs


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Conv2D(5, 3, padding="same"), 8 * 6 * 5 * 3 * 3 * 4),
        (layers.Conv2D(5, 3, padding="valid"), 6 * 4 * 5 * 3 * 3 * 4),
        (layers.Conv2D(5, 3, strides=2, padding="same"), 4 * 3 * 5 * 3 * 3 * 4),
        (layers.Conv2D(5, (1, 3), padding="same"), 8 * 6 * 5 * 3 * 4),
        (layers.Conv2D(5, 3, dilation_rate=2, padding="same"), 8 * 6 * 5 * 9 * 4),
        (layers.Conv2D(6, 3, groups=2, padding="same"), 8 * 6 * 6 * 9 * 2),
        (layers.DepthwiseConv2D(3, padding="same"), 8 * 6 * 4 * 9),
        (
            layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
            8 * 6 * 8 * 9,
        ),
        (
            layers.SeparableConv2D(5, 3, depth_multiplier=2, padding="same"),
            8 * 6 * (4 * 2 * 9 + 4 * 2 * 5),
        ),
        (
            layers.SeparableConv2D(5, 3, strides=2, padding="same"),
            4 * 3 * (4 * 9 + 4 * 5),
        ),
        (layers.Conv2DTranspose(5, 2, strides=2), 8 * 6 * 4 * 5 * 2 * 2),
        (layers.Conv2DTranspose(5, 3, strides=2, padding="same"), 8 * 6 * 4 * 5 * 9),
        (layers.Dense(5), 8 * 6 * 4 * 5),
        (layers.BatchNormalization(), 0),
        (layers.MaxPooling2D(), 0),
        (layers.UpSampling2D(interpolation="bilinear"), 0),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_layer_matches_the_count_by_hand(layer, expected):
    assert macs_of(layer) == expected


def test_a_layer_with_lora_counts_like_the_plain_one():
    image = keras.Input((4, 4, 3))
    dense = keras.layers.Dense(8)
    model = keras.Model(image, dense(image))
    before = count_macs(model).macs
    dense.enable_lora(2)
    assert count_macs(model).macs == before == 4 * 4 * 3 * 8


def windowed(image):
    """Attention within windows of 2 x 2 pixels of 8 x 8, as in a Swin block."""
    ops = keras.ops
    x = ops.reshape(image, (-1, 4, 2, 4, 2, 6))
    x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 4, 6))
    x = layers.MultiHeadAttention(num_heads=2, key_dim=3)(x, x)
    x = ops.transpose(ops.reshape(x, (-1, 4, 4, 2, 2, 6)), (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, 8, 8, 6))


def test_every_window_counts():
    image = keras.Input((8, 8, 6))
    x = layers.Conv2D(2, 1)(windowed(image))
    model = keras.Model(image, x)
    projections = 4 * 64 * 6 * 6
    pairs = 2 * 16 * 4 * 4 * 6  # scores and sums; 16 windows of 4 x 4 pairs
    assert count_macs(model).macs == projections + pairs + 64 * 6 * 2
    outer = keras.Input((8, 8, 6))
    assert count_macs(keras.Model(outer, model(outer))).macs == count_macs(model).macs


def test_dense_on_a_vector():
    vector = keras.Input((7,))
    assert count_macs(keras.Model(vector, layers.Dense(3)(vector))).macs == 21


def test_shared_layer_counts_once_for_every_use():
    image = keras.Input((8, 8, 4))
    shared = layers.Conv2D(4, 1)
    model = keras.Model(image, shared(shared(image)))
    assert count_macs(model) == ModelSize(parameters=20, macs=2 * 8 * 8 * 4 * 4)


def test_use_of_a_layer_in_another_model_does_not_count():
    image, shared = keras.Input((8, 8, 4)), layers.Conv2D(4, 1)
    small = keras.Model(image, shared(image))
    keras.Model(image, shared(shared(small.output)))
    assert count_macs(small).macs == 8 * 8 * 4 * 4


def test_nested_and_sequential_models_count_what_they_hold():
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 1)])
    image = keras.Input((8, 8, 3))
    outer = keras.Model(image, layers.Conv2D(5, 1)(inner(image)))
    assert count_macs(inner).macs == 8 * 8 * 3 * 2
    assert count_macs(outer).macs == 8 * 8 * (3 * 2 + 2 * 5)


def test_count_survives_saving(tmp_path):
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, layers.Conv2D(2, 3)(layers.Conv2D(4, 1)(image)))
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert count_macs(loaded) == count_macs(model)
    assert count_macs(model).parameters == 3 * 4 + 4 + 9 * 4 * 2 + 2


def test_variable_image_size_is_refused():
    with pytest.raises(ValueError, match="fixed image size only"):
        macs_of(layers.Conv2D(2, 1), shape=(None, None, 3))


def test_subclassed_model_is_refused():
    class Odd(keras.Model):
        def call(self, images):
            return images

    odd = Odd(name="odd")
    odd.build((None, 8, 8, 3))
    with pytest.raises(ValueError, match="model odd must be functional"):
        count_macs(odd)
