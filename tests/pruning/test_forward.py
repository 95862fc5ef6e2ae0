"""Running call by call gives the model's own outputs, and lets a layer be changed."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.errors import UsageError
from segshrink.pruning.forward import called_once, in_batches, run

from .networks import chain, images, outputs, small_unet, with_random_weights


def nested_twice():
    """A model that calls another one twice, adds a tensor to itself and gives two."""
    inner = keras.Sequential(
        [keras.Input((8, 8, 4)), layers.Conv2D(4, 3, padding="same", name="shared")],
        name="inner",
    )
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 1, name="alone")(image)
    y = inner(inner(x))
    z = layers.Add(name="double")([y, y]) * 0.5
    return with_random_weights(keras.Model(image, [z, x]))


def augmenting():
    """A model that turns and recolours its images in training."""
    image = keras.Input((8, 8, 3))
    x = layers.RandomRotation(0.5, seed=1)(image)
    x = layers.RandomBrightness(0.8, seed=1)(x)
    x = layers.Conv2D(4, 1)(layers.Dropout(0.5, seed=1)(x))
    return with_random_weights(keras.Model(image, x))


@pytest.mark.parametrize("make", [small_unet, nested_twice, augmenting])
def test_outputs_are_those_of_the_model(make):
    model = make()
    tiles, seen = images(model, 5), []
    found = run(
        model,
        in_batches(model, tiles, 2),
        lambda path, layer, inputs: seen.append((path, [len(b) for b in inputs])),
    )
    expected = model(tiles, training=False)
    expected = expected if isinstance(expected, list) else [expected]
    for batches, output in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            np.concatenate(batches), keras.ops.convert_to_numpy(output), atol=1e-5
        )
    assert all(sizes == [2, 2, 1] for _, sizes in seen)


def test_layers_that_are_called_again_are_left_out():
    found = called_once(nested_twice())
    assert "inner/shared" not in found
    assert {"alone", "double"} <= set(found)


def test_a_layer_changed_before_its_call_gives_changed_outputs():
    model = chain(layers.Conv2D(4, 1, name="a"), layers.Conv2D(2, 1, name="b"))

    def visit(path, layer, inputs):
        if path == "a":
            layer.bias.assign(layer.bias + 1)

    tiles = images(model)
    (found,) = run(model, in_batches(model, tiles, 8), visit)
    np.testing.assert_allclose(found[0], outputs(model, tiles), atol=1e-5)


def test_what_does_not_fit_is_refused():
    model = small_unet()
    with pytest.raises(UsageError, match=r"\(images, 8, 8, 3\), got \(2, 8, 8, 4\)"):
        in_batches(model, np.zeros((2, 8, 8, 4)), 8)
    with pytest.raises(UsageError, match=r"got \(8, 8, 3\)"):
        in_batches(model, np.zeros((8, 8, 3)), 8)
    with pytest.raises(UsageError, match="batch_size must be at least 1, got 0"):
        in_batches(model, images(model), 0)
    inputs = [keras.Input((2,)), keras.Input((2,))]
    two = keras.Model(inputs, layers.Add()(inputs), name="two")
    with pytest.raises(UsageError, match="one input is needed, got 2"):
        in_batches(two, np.zeros((1, 2)), 8)
