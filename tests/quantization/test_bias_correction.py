"""Channel means are restored after quantization."""

import keras
import numpy as np

from export.tiny_models import blotchy_images
from quantization.networks import blocky_network, scaled_channels, two_convolutions
from segshrink.quantization import FakeQuantizedModel, observed_ranges
from segshrink.quantization.bias_correction import correct_biases

IMAGES = blotchy_images(8)


def means_of_logits(model):
    logits = model.predict(IMAGES.astype(np.float32), verbose=0)
    return logits.mean(axis=(0, 1, 2))


def hurt_model():
    keras.utils.set_random_seed(0)
    return scaled_channels(two_convolutions(), 300.0)


def test_the_int8_model_has_the_means_of_the_float_model():
    model = hurt_model()
    expected = means_of_logits(model)
    quantized = FakeQuantizedModel(model, observed_ranges(model, IMAGES))
    before = np.abs(means_of_logits(quantized.model) - expected).max()
    corrected = correct_biases(quantized, IMAGES)
    after = np.abs(means_of_logits(quantized.model) - expected).max()
    assert corrected == ["first", "second", "logits"]
    assert before > 1e-3 and after < 0.1 * before


def test_channels_that_come_first_are_corrected_likewise():
    keras.utils.set_random_seed(0)
    last = two_convolutions()
    image = keras.Input(last.input_shape[1:])
    x = keras.layers.Permute((3, 1, 2))(image)
    for name in ("first", "second", "logits"):
        layer = last.get_layer(name)
        config = {**layer.get_config(), "data_format": "channels_first"}
        x = type(layer).from_config(config)(x)
    model = keras.Model(image, keras.layers.Permute((2, 3, 1))(x))
    for name in ("first", "second", "logits"):
        model.get_layer(name).set_weights(last.get_layer(name).get_weights())
    expected = means_of_logits(model)
    quantized = FakeQuantizedModel(model, observed_ranges(model, IMAGES))
    before = np.abs(means_of_logits(quantized.model) - expected).max()
    assert "second" in correct_biases(quantized, IMAGES)
    after = np.abs(means_of_logits(quantized.model) - expected).max()
    assert after < 0.1 * before


def test_a_model_without_any_offset_is_left():
    image = keras.Input((32, 48, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="own")(image)
    model = keras.Model(image, keras.layers.Conv2D(5, 1, use_bias=False)(x))
    images = blotchy_images(2)
    quantized = FakeQuantizedModel(model, observed_ranges(model, images))
    assert correct_biases(quantized, images) == []


def test_only_offsets_change():
    model = hurt_model()
    before = {v.path: keras.ops.convert_to_numpy(v) for v in model.variables}
    correct_biases(FakeQuantizedModel(model, observed_ranges(model, IMAGES)), IMAGES)
    changed = {
        v.path
        for v in model.variables
        if not np.array_equal(before[v.path], keras.ops.convert_to_numpy(v))
    }
    assert changed == {"norm/beta", "second/bias", "logits/bias"}


def test_a_layer_without_any_offset_is_left():
    model = blocky_network()
    norm = model.get_layer("first_norm")
    norm.center = False
    quantized = FakeQuantizedModel(model, observed_ranges(model, IMAGES))
    assert "first" not in correct_biases(quantized, IMAGES)


def test_everything_is_quantized_again_afterwards():
    model = hurt_model()
    quantized = FakeQuantizedModel(model, observed_ranges(model, IMAGES))
    correct_biases(quantized, IMAGES)
    again = FakeQuantizedModel(model, observed_ranges(model, IMAGES))
    assert all(
        float(x.active) == 1 for x in quantized.model.layers if hasattr(x, "active")
    )
    assert len(again.ranges) == len(quantized.ranges)


def test_what_is_added_before_an_activation_or_in_two_calls_is_left():
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3))
    twice = keras.layers.Conv2D(3, 1, name="twice")
    x = keras.layers.Conv2D(3, 1, activation="relu", name="active")(image)
    x = keras.layers.Conv2D(3, 1, name="logits")(twice(twice(x)))
    model = keras.Model(image, x)
    quantized = FakeQuantizedModel(model, observed_ranges(model, IMAGES))
    assert correct_biases(quantized, IMAGES) == ["logits"]
