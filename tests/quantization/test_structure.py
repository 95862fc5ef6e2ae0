"""Calls that an int8 file fuses into one operation."""

import keras
from keras import layers

from quantization.networks import blocky_network
from segshrink.quantization.structure import values_of, with_consumers


def by_path(model):
    return {value.path: value for value in values_of(model)}


def paths(values):
    return {value and value.path for value in values}


def test_only_tensors_of_the_file_are_quantized():
    values = by_path(blocky_network())
    quantized = [path for path, value in values.items() if value.is_quantized]
    assert quantized == [
        "images", "rescaling", "first_relu", "pool", "depthwise_relu6", "pointwise",
        "up", "add_relu", "joined", "logits",
    ]  # fmt: skip


def test_activation_and_normalization_belong_to_the_layer_before():
    values = by_path(blocky_network())
    assert values["first_relu"].origin is values["first"]
    assert values["first"].normalization.name == "first_norm"
    assert values["depthwise_relu6"].origin is values["depthwise"]
    assert values["depthwise"].normalization is None
    assert values["add_relu"].origin is values["add"]
    assert values["joined"].origin is values["joined"]


def test_pooling_has_the_range_of_its_input_and_dropout_none_of_its_own():
    values = by_path(blocky_network())
    assert values["pool"].range_owner is values["first_relu"]
    assert values["dropout"].range_owner is values["depthwise_relu6"]
    assert not values["dropout"].is_quantized


def test_consumers_are_computed_from_a_tensor():
    values = by_path(blocky_network())
    assert paths(values["first_relu"].quantized_consumers()) == {
        "pool",
        "add_relu",
        "joined",
    }
    assert paths(values["depthwise_relu6"].quantized_consumers()) == {"pointwise"}
    assert paths(values["logits"].quantized_consumers()) == {None}
    assert paths(with_consumers([values["up"]])) == {"up", "add_relu"}


def test_a_tensor_with_two_consumers_is_quantized_before_its_activation():
    images = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 1, name="conv")(images)
    y = layers.ReLU(name="relu")(x)
    model = keras.Model(images, layers.Add(name="add")([x, y]))
    values = by_path(model)
    assert values["conv"].is_quantized and values["relu"].is_quantized


def test_normalization_behind_an_activation_is_not_folded():
    images = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 1, activation="relu", name="conv")(images)
    model = keras.Model(images, layers.BatchNormalization(name="norm")(x))
    values = by_path(model)
    assert values["conv"].normalization is None
    assert values["conv"].is_quantized and values["norm"].is_quantized


def test_nested_models_are_entered():
    inner_in = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 1, name="conv")(inner_in)
    inner = keras.Model(inner_in, layers.ReLU(name="relu")(x), name="inner")
    images = keras.Input((8, 8, 3), name="images")
    x = layers.Conv2D(4, 1, name="conv")(images)
    model = keras.Model(images, inner(layers.BatchNormalization(name="norm")(x)))
    values = by_path(model)
    assert values["inner/relu"].origin is values["inner/conv"]
    assert values["conv"].normalization.name == "norm"


def test_a_layer_that_is_called_twice_has_two_tensors():
    images = keras.Input((8, 8, 3))
    layer = layers.Conv2D(3, 1, name="conv")
    values = by_path(keras.Model(images, layer(layer(images))))
    assert {"conv", "conv#2"} <= set(values)
    assert values["conv#2"].inputs == [values["conv"]]
