"""Sentences that name the layer for which Keras 3 cannot read its own files."""

import keras
import pytest
from keras import layers

from segshrink.errors import ModelError
from segshrink.models import load_model


class Unknown(layers.Layer):
    def call(self, inputs):
        return inputs


def their_activation(inputs):
    return inputs


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            lambda: layers.Lambda(lambda x: x, name="cast"),
            "layer 'cast' holds a Lambda",
        ),
        (lambda: Unknown(name="merge"), "layer 'merge' holds 'Unknown', which is not"),
        (
            lambda: layers.Conv2D(2, 1, activation=their_activation, name="act"),
            "layer 'act' holds 'their_activation', which is not",
        ),
    ],
)
def test_the_layer_is_named_with_what_it_holds(tmp_path, suffix, layer, message):
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(3, 1, name="first")(image)
    path = tmp_path / f"m{suffix}"
    inner = keras.Model(image, layer()(x), name="inner")
    outer = keras.Input((8, 8, 3))
    keras.Model(outer, layers.ReLU()(inner(outer))).save(path)
    with pytest.raises(ModelError) as caught:
        load_model(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: {message}")
    assert "--architecture MODEL.py" in text and "\n" not in text and len(text) < 500
